//! A log that is in use can be backed up as `docs/operating.md` says, without `sqlite3` itself.

use crate::shell::Shell;

#[test]
fn a_log_in_use_can_be_backed_up() {
    let mut shell = Shell::new();
    shell.serve("whence serve");
    let data = shell.directory().join("whence-data");
    let log = rusqlite::Connection::open(data.join("log.db")).unwrap();
    let backup = shell.directory().join("backup");
    std::fs::create_dir(&backup).unwrap();
    log.execute("VACUUM INTO ?1", [backup.join("log.db").to_str().unwrap()]).unwrap();
    std::fs::copy(data.join("master.key"), backup.join("master.key")).unwrap();
    let count = "whence export events --format jsonl --store sqlite:";
    let (_, whole) = shell.run(&format!("{count}./whence-data 2>/dev/null | wc -l"));
    let (_, copied) = shell.run(&format!("{count}./backup 2>/dev/null | wc -l"));
    assert_eq!(copied, whole);
    assert_ne!(copied.trim(), "0");
}
