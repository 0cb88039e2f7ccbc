//! What is published: one release train, complete manifests, and few dependencies by default.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const PUBLISHED: [&str; 4] = ["session-cli", "session-core", "session-migrate", "session-tower"];

/// The maximum number of packages that each library brings by default, itself included.
const MAX_DEFAULT_PACKAGES: [(&str, usize); 3] =
    [("session-core", 60), ("session-tower", 80), ("session-migrate", 192)];

fn cargo(arguments: &[&str]) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).args(arguments);
    let output = cargo.args(["--offline", "--locked"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The manifests of the workspace.
fn packages() -> Vec<Value> {
    let metadata = cargo(&["metadata", "--format-version", "1", "--no-deps"]);
    let mut metadata: Value = serde_json::from_str(&metadata).unwrap();
    serde_json::from_value(metadata["packages"].take()).unwrap()
}

fn name(package: &Value) -> &str {
    package["name"].as_str().unwrap()
}

/// The manifests of what is published; all others are marked as not to be.
fn published() -> Vec<Value> {
    let mut packages = packages();
    packages.retain(|package| package["publish"].is_null());
    packages.sort_by_key(|package| name(package).to_owned());
    packages
}

#[test]
fn only_the_crates_are_published() {
    let published = published();
    assert_eq!(published.iter().map(name).collect::<Vec<_>>(), PUBLISHED);
}

#[test]
fn the_crates_have_one_version_and_ask_for_it_of_each_other() {
    let published = published();
    let version = published[0]["version"].as_str().unwrap();
    for package in &published {
        assert_eq!(package["version"], version, "{}", name(package));
        for dependency in package["dependencies"].as_array().unwrap() {
            let (of, on) = (name(package), name(dependency));
            if PUBLISHED.contains(&on) {
                assert_eq!(dependency["req"], format!("^{version}"), "{of} on {on}");
            } else if !dependency["path"].is_null() {
                // It is left out of the published manifest, which is possible for tests only.
                assert_eq!(dependency["kind"], "dev", "{of} on {on}");
            }
        }
    }
}

#[test]
fn the_manifests_say_what_registries_show() {
    for package in published() {
        let of = name(&package);
        let text = |field: &str| package[field].as_str().unwrap_or_default().to_owned();
        assert!(!text("description").is_empty() && text("license") == "MIT OR Apache-2.0", "{of}");
        assert_eq!(text("rust_version"), "1.94", "{of}");
        let count = |field: &str| package[field].as_array().unwrap().len();
        assert!((1..=5).contains(&count("keywords")), "{of}: keywords");
        assert!((1..=5).contains(&count("categories")), "{of}: categories");
        let folder = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap();
        for file in [&*text("readme"), "LICENSE-MIT", "LICENSE-APACHE"] {
            assert!(folder.join(file).is_file(), "{of} has no {file}");
        }
        let is_library = of != "session-cli";
        assert_eq!(package["metadata"]["docs"]["rs"]["all-features"] == true, is_library, "{of}");
    }
}

#[test]
fn the_default_features_bring_few_dependencies() {
    let readme = include_str!("../../README.md");
    for (library, max) in MAX_DEFAULT_PACKAGES {
        let tree = ["tree", "-p", library, "-e", "normal", "--prefix", "none", "--format", "{p}"];
        let tree = cargo(&tree);
        let packages: BTreeSet<&str> =
            tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
        assert!(packages.len() <= max, "{library} brings {} packages", packages.len());
        let printed = format!("| `{library}` | {max} |");
        assert!(readme.contains(&printed), "the README says otherwise: {printed}");
        for heavy in [
            "axum",
            "clap",
            "openidconnect",
            "reqwest",
            "libsqlite3-sys",
            "sqlx-mysql",
            "sqlx-postgres",
        ] {
            let is_brought =
                packages.iter().any(|package| package.starts_with(&format!("{heavy} v")));
            assert!(!is_brought, "{library} brings {heavy}");
        }
    }
}
