//! A browser: cookies, redirects and forms, without scripts.

use reqwest::header::{ACCEPT, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Method, Response, StatusCode, Url};

/// A browser with cookies of its own.
pub(crate) struct Browser {
    http: reqwest::Client,
}

/// A page, with the address that the browser shows.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) url: Url,
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

/// A form of a page.
#[derive(Debug)]
pub(crate) struct Form {
    action: Url,
    fields: Vec<(String, String)>,
}

/// How many redirects a browser follows.
const MAX_REDIRECTS: usize = 20;

impl Browser {
    pub(crate) fn new() -> Self {
        let http = reqwest::Client::builder()
            .cookie_store(true)
            .redirect(Policy::none())
            .no_proxy()
            .user_agent("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
            .build()
            .unwrap();
        Self { http }
    }

    /// Opens an address, and follows redirects to a page.
    pub(crate) async fn open(&self, url: impl AsRef<str>) -> Page {
        self.navigate(Method::GET, Url::parse(url.as_ref()).unwrap(), None).await
    }

    /// Asks as a script of a page does, which is sent to no other page.
    pub(crate) async fn fetch(&self, url: impl AsRef<str>) -> Page {
        let url = Url::parse(url.as_ref()).unwrap();
        let response = self.http.get(url.clone()).send().await.unwrap();
        Page::of(url, response).await
    }

    /// Submits a form as it is.
    pub(crate) async fn submit(&self, form: Form) -> Page {
        self.navigate(Method::POST, form.action, Some(form.fields)).await
    }

    async fn navigate(
        &self,
        mut method: Method,
        mut url: Url,
        mut form: Option<Vec<(String, String)>>,
    ) -> Page {
        for _ in 0..MAX_REDIRECTS {
            let mut request = self.http.request(method, url.clone()).header(ACCEPT, "text/html");
            if let Some(form) = form.take() {
                request = request.form(&form);
            }
            let response = request.send().await.unwrap();
            match location(&response) {
                Some(next) => url = url.join(&next).unwrap(),
                None => return Page::of(url, response).await,
            }
            method = Method::GET;
        }
        panic!("redirects without an end, the last one to {url}");
    }
}

fn location(response: &Response) -> Option<String> {
    let is_redirect = response.status().is_redirection();
    is_redirect.then(|| response.headers()[LOCATION].to_str().unwrap().to_owned())
}

impl Page {
    async fn of(url: Url, response: Response) -> Self {
        let status = response.status();
        Self { url, status, text: response.text().await.unwrap() }
    }

    /// Returns the forms of the page, with the fields that they have already.
    pub(crate) fn forms(&self) -> Vec<Form> {
        let forms = self.text.split("<form").skip(1);
        forms.map(|rest| Form::of(&self.url, rest.split("</form>").next().unwrap())).collect()
    }

    /// Returns the form at this place of the page.
    pub(crate) fn form(&self, number: usize) -> Form {
        let mut forms = self.forms();
        assert!(number < forms.len(), "no form {number} in {}", self.text);
        forms.swap_remove(number)
    }

    /// Returns the address of a link whose text is this.
    pub(crate) fn link(&self, text: &str) -> Url {
        let before = self.text.split(text).next().unwrap();
        let tag = before.rsplit("<a").next().unwrap();
        self.url.join(&attribute(tag, "href").unwrap()).unwrap()
    }
}

impl Form {
    /// Reads a form from its attributes on.
    fn of(page: &Url, html: &str) -> Self {
        let (tag, content) = html.split_once('>').unwrap();
        let action = attribute(tag, "action").unwrap_or_default();
        let inputs = content.split("<input").skip(1).map(|rest| rest.split('>').next().unwrap());
        let buttons = content.split("<button").skip(1).map(|rest| rest.split('>').next().unwrap());
        let mut fields = Vec::new();
        for tag in inputs.chain(buttons) {
            if let Some(name) = attribute(tag, "name") {
                fields.push((name, attribute(tag, "value").unwrap_or_default()));
            }
        }
        Self { action: page.join(&action).unwrap(), fields }
    }

    /// Fills a field in.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(known, _)| known == name)
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let rest = tag.split(&format!(" {name}=\"")).nth(1)?;
    Some(rest.split('"').next()?.replace("&amp;", "&"))
}
