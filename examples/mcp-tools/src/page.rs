//! The page of tool servers.

/// Builds the page: each tool server by its name, and whether the user has connected it.
pub(crate) fn home(user: &str, servers: &[(&str, bool)]) -> String {
    let mut rows = String::new();
    for (name, is_connected) in servers {
        let short = name.trim_start_matches("mcp:");
        rows += &match is_connected {
            true => format!(
                "<li>{short}: <a href=\"/tools/{short}\">its tools</a> \
                 <form method=\"post\" action=\"/tools/{short}/read\"><button>read</button></form>"
            ),
            false => format!(
                "<li>{short}: <form method=\"post\" action=\"/tools/connect\">\
                 <button name=\"server\" value=\"{name}\">connect</button></form>"
            ),
        };
    }
    let user = user.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tools</title>\
         <style>form{{display:inline}}</style><h1>Tools of {user}</h1><ul>{rows}</ul>\
         <p><a href=\"/devices\">Devices and connected tools</a></p>\
         <form method=\"post\" action=\"/logout\"><button>Sign out</button></form></html>"
    )
}
