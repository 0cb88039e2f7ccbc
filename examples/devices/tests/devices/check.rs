//! The self-check of the program.

use crate::program::{Directory, devices};

#[test]
fn every_step_of_the_check_passes() {
    let directory = Directory::new();
    let output = devices(&directory).arg("--check").output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{table}\n{errors}");
    assert!(!table.contains("FAILED") && !table.contains("not run"), "{table}");
    let steps = table.lines().filter(|line| line.starts_with("ok ")).count();
    assert_eq!(steps, 17, "{table}");
    assert!(table.ends_with(&format!("{steps} of {steps} steps held\n")), "{table}");
    assert_eq!(directory.path().read_dir().unwrap().count(), 0, "something was left behind");
}
