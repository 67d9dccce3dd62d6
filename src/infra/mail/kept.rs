//! Mails that were kept in a directory, read again for the pages of development.

use std::io;
use std::path::Path;

use mail_parser::{Address, Message, MessageParser};
use serde::Serialize;

/// A mail that was kept, as its reader would see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeptMail {
    /// The name of its file, without the ending.
    pub id: String,
    /// The address that it is for.
    pub to: String,
    /// The address that it is from.
    pub from: String,
    /// The subject.
    pub subject: String,
    /// When it was written (RFC 3339).
    pub date: String,
    /// The code of a login, when the mail has one.
    pub code: Option<String>,
    /// The part for mail programs without HTML.
    pub text: String,
    /// The part for all others.
    pub html: String,
}

impl KeptMail {
    /// Returns a mail by its bytes; `None` when they are no mail.
    fn parse(id: &str, bytes: &[u8]) -> Option<Self> {
        let mail = MessageParser::default().parse(bytes)?;
        let text = mail.body_text(0).unwrap_or_default().into_owned();
        Some(Self {
            id: id.to_owned(),
            to: address(mail.to()),
            from: address(mail.from()),
            subject: mail.subject().unwrap_or_default().to_owned(),
            date: date(&mail),
            code: code(&text),
            html: mail.body_html(0).unwrap_or_default().into_owned(),
            text,
        })
    }
}

/// Reads the newest mails in a directory, the newest first: of one address, or of all.
pub(super) fn newest(dir: &Path, to: Option<&str>, most: usize) -> io::Result<Vec<KeptMail>> {
    let names = dir.read_dir()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut ids: Vec<_> =
        names.filter_map(|name| Some(name.strip_suffix(".eml")?.to_owned())).collect();
    ids.retain(|id| is_id(id));
    ids.sort_unstable_by_key(|id| std::cmp::Reverse(id.parse::<u64>().unwrap_or(0)));
    let mails = ids.iter().filter_map(|id| read(dir, id).ok()?);
    let wanted = mails.filter(|mail| to.is_none_or(|to| mail.to.eq_ignore_ascii_case(to)));
    Ok(wanted.take(most).collect())
}

/// Reads one mail; `None` when there is none of this id.
pub(super) fn read(dir: &Path, id: &str) -> io::Result<Option<KeptMail>> {
    if !is_id(id) {
        return Ok(None);
    }
    match std::fs::read(dir.join(format!("{id}.eml"))) {
        Ok(bytes) => Ok(KeptMail::parse(id, &bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns whether a text can be the name of a mail: a number, and so no way out of the directory.
fn is_id(text: &str) -> bool {
    (8..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

fn address(of: Option<&Address<'_>>) -> String {
    of.and_then(|list| list.first()?.address()).unwrap_or_default().to_owned()
}

fn date(mail: &Message<'_>) -> String {
    mail.date().map(mail_parser::DateTime::to_rfc3339).unwrap_or_default()
}

/// Returns the six digits that stand alone on a line.
fn code(text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim);
    let is_code = |line: &&str| line.len() == 6 && line.bytes().all(|b| b.is_ascii_digit());
    lines.find(is_code).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_is_a_name() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("mail");
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(root.path().join("00000001.eml"), "To: a@example.com\r\n\r\n").unwrap();
        for id in ["", "1", "../00000001", "0000000x", "00000002", "000000000000000000001"] {
            assert_eq!(read(&dir, id).unwrap(), None, "{id}");
        }
    }

    #[test]
    fn what_is_no_mail_is_left_out_and_the_newest_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        for (name, to) in [("00000009", "a"), ("00000010", "b"), ("100000000", "a")] {
            let mail =
                format!("To: {to}@example.com\r\nSubject: {name}\r\n\r\nyours:\r\n\r\n 042424\r\n");
            std::fs::write(dir.path().join(format!("{name}.eml")), mail).unwrap();
        }
        std::fs::write(dir.path().join("notes.eml"), "x").unwrap();
        std::fs::write(dir.path().join("00000011.eml"), b"\xff\xfe").unwrap();
        let ids = |to, most| {
            let mails = newest(dir.path(), to, most).unwrap().into_iter();
            mails.map(|mail| mail.subject).filter(|subject| !subject.is_empty()).collect::<Vec<_>>()
        };
        assert_eq!(ids(None, 100), ["100000000", "00000010", "00000009"]);
        assert_eq!(ids(None, 1), ["100000000"]);
        assert_eq!(ids(Some("A@example.com"), 100), ["100000000", "00000009"]);
        let mail = read(dir.path(), "00000010").unwrap().unwrap();
        assert_eq!((mail.to.as_str(), mail.code.as_deref()), ("b@example.com", Some("042424")));
    }
}
