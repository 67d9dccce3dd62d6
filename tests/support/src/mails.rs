//! Reads the mails that a service left in a directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The mails that one process wrote; their numbers begin at 1.
pub struct Mails {
    directory: PathBuf,
    read: Mutex<Read>,
}

#[derive(Default)]
struct Read {
    /// The lowest number whose mail was not there yet.
    low: u64,
    codes: BTreeMap<u64, Option<(String, String)>>,
}

impl Mails {
    pub fn in_directory(directory: &Path) -> Self {
        let read = Mutex::new(Read { low: 1, codes: BTreeMap::new() });
        Self { directory: directory.to_owned(), read }
    }

    /// Returns the newest code that was mailed to an address.
    ///
    /// Reads a little past the first gap, because mails are numbered before they are written.
    pub fn code(&self, email: &str) -> Option<String> {
        let mut read = self.read.lock().unwrap();
        for number in read.low..read.low + 256 {
            if read.codes.contains_key(&number) {
                continue;
            }
            if let Ok(bytes) = std::fs::read(self.directory.join(format!("{number:08}.eml"))) {
                read.codes.insert(number, login_code(&bytes));
            }
        }
        while read.codes.contains_key(&read.low) {
            read.low += 1;
        }
        let newest = read.codes.values().rev().flatten().find(|(to, _)| to == email);
        newest.map(|(_, code)| code.clone())
    }
}

/// Returns the mails of a directory, the oldest first. What is half written, or was when its service was
/// killed, has another name, and is none.
pub fn mails_in(directory: &Path) -> Vec<String> {
    let files = directory.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|ending| ending == "eml")).collect();
    files.sort();
    files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// Returns the address and the code of a login mail.
fn login_code(bytes: &[u8]) -> Option<(String, String)> {
    let mail = mail_parser::MessageParser::default().parse(bytes)?;
    let to = mail.to()?.first()?.address()?.to_owned();
    let text = mail.body_text(0)?;
    let mut words = text.split_whitespace();
    let code = words.find(|word| word.len() == 6 && word.bytes().all(|b| b.is_ascii_digit()))?;
    Some((to, code.to_owned()))
}
