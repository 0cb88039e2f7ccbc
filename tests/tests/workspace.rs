//! The files of the workspace: dependencies between modules, the checklist, what is published, and plain
//! words.

mod architecture;
mod checklist;
mod packages;
mod words;

/// The programs are listed in `Cargo.toml`, so a new file would not be found by itself.
#[test]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
fn every_test_file_is_part_of_a_program() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let roots = ["core", "store", "migrate", "redaction", "workspace"];
    let listed: Vec<String> = ["core", "store", "migrate", "workspace"]
        .iter()
        .map(|root| std::fs::read_to_string(folder.join(format!("{root}.rs"))).unwrap())
        .collect();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let is_listed = listed.iter().any(|text| text.contains(&format!("\nmod {name};")));
        assert!(is_listed || roots.contains(&name.as_str()), "{name} is in no program");
    }
}
