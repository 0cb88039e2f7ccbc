use crate::program::{Directory, devices};

#[test]
fn the_check_plays_the_whole_story() {
    let directory = Directory::new();
    let output = devices(&directory).arg("--check").output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    let says = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{table}\n{says}");
    assert!(!table.contains("FAILED") && !table.contains("not run"), "{table}");
    let steps = table.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(table.ends_with(&format!("{steps} of {steps} steps held\n")), "{table}");
    assert_eq!(directory.path().read_dir().unwrap().count(), 0, "something was left behind");
}
