//! The names that streams have in KurrentDB: those of whence, with a prefix.
//!
//! The prefix keeps a log apart from other applications on the same cluster. It is put on and taken
//! off here; everywhere else a stream has the same name in every store.

use std::sync::Arc;

use eventstore::SubscriptionFilter;
use percent_encoding::percent_decode_str;
use whence_events::StreamId;

/// The prefix of a log that was given none.
pub(super) const DEFAULT_PREFIX: &str = "whence.";

/// The parameter of a connection string that names another prefix.
const PARAMETER: &str = "streamPrefix";

/// The most bytes of a prefix.
const MAX_PREFIX: usize = 64;

/// What stands before the name of a stream in the name of the stream of its metadata.
const METADATA: &str = "$$";

/// How many events the server looks at before it reports how far it is. Its own default is 32, too few
/// when other programs write much to the same log.
const FILTER_WINDOW: u32 = 1000;

/// The prefix of the streams of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names(Arc<str>);

/// A stream of the server that has to do with a stream of whence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// The stream itself.
    Stream(StreamId),
    /// The stream of its metadata, by which the server deletes and cuts streams.
    Metadata(StreamId),
}

/// Why a prefix cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// The bytes are not UTF-8, as when one ends in the middle of a character.
    #[error("streamPrefix is not text in UTF-8")]
    NotText,
    /// The server keeps these names for itself.
    #[error("streamPrefix must not begin with $ or @, which are names of the server's own")]
    OfTheServer,
    /// The category of a stream ends at the first `-` of its name.
    #[error("streamPrefix must not have a -, at which the category of a stream ends")]
    Category,
    /// A character that nobody can see, or tell from another one.
    #[error("streamPrefix must have no spaces and no control characters")]
    Invisible,
    /// The prefix has more than 64 bytes.
    #[error("streamPrefix must not be longer than 64 bytes")]
    TooLong,
    /// There are two of them.
    #[error("streamPrefix is given twice")]
    Twice,
}

impl Names {
    /// Returns the names with a prefix, which may be empty.
    pub(super) fn new(prefix: &str) -> Result<Self, PrefixError> {
        if prefix.starts_with(['$', '@']) {
            return Err(PrefixError::OfTheServer);
        }
        if prefix.contains('-') {
            return Err(PrefixError::Category);
        }
        if prefix.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(PrefixError::Invisible);
        }
        if prefix.len() > MAX_PREFIX {
            return Err(PrefixError::TooLong);
        }
        Ok(Self(prefix.into()))
    }

    /// Takes the prefix out of a connection string, and returns the string for the client.
    pub(super) fn split(url: &str) -> Result<(String, Self), PrefixError> {
        let Some((address, query)) = url.split_once('?') else {
            return Ok((url.to_owned(), Self(DEFAULT_PREFIX.into())));
        };
        let mut found = None;
        let mut others = Vec::new();
        for parameter in query.split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if !name.eq_ignore_ascii_case(PARAMETER) {
                others.push(parameter);
            } else if found.replace(value).is_some() {
                return Err(PrefixError::Twice);
            }
        }
        let names = match found {
            None => Self(DEFAULT_PREFIX.into()),
            Some(value) => {
                let prefix = percent_decode_str(value).decode_utf8();
                Self::new(&prefix.map_err(|_| PrefixError::NotText)?)?
            }
        };
        let others = others.join("&");
        let url =
            if others.is_empty() { address.to_owned() } else { format!("{address}?{others}") };
        Ok((url, names))
    }

    /// Returns the name of a stream on the server.
    pub(super) fn of(&self, stream: &StreamId) -> String {
        format!("{}{stream}", self.0)
    }

    /// Returns the name of the stream that holds the metadata of another.
    pub(super) fn metadata_of(name: &str) -> String {
        format!("{METADATA}{name}")
    }

    /// Returns the name of the stream whose one event is the first of the log; `None` without a
    /// prefix, since whence did not write such an event when it had none.
    pub(super) fn beginning(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| format!("{}log", self.0))
    }

    /// Returns what a stream of the server has to do with this log; `None` when that is nothing.
    pub(super) fn read(&self, name: &str) -> Option<Named> {
        let stream = |name: &str| name.strip_prefix(&*self.0)?.parse().ok();
        match name.strip_prefix(METADATA) {
            Some(name) => stream(name).map(Named::Metadata),
            None => stream(name).map(Named::Stream),
        }
    }

    /// Returns the filter for the streams of this log and of their metadata: other programs may write
    /// to the same server, and the server itself does.
    pub(super) fn filter(&self) -> SubscriptionFilter {
        let filter = SubscriptionFilter::on_stream_name().max(FILTER_WINDOW);
        StreamId::PREFIXES.iter().fold(filter, |filter, family| {
            let name = format!("{}{family}", self.0);
            filter.add_prefix(Self::metadata_of(&name)).add_prefix(name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(url: &str) -> (String, String) {
        let (url, names) = Names::split(url).unwrap();
        (url, names.0.to_string())
    }

    #[test]
    fn a_prefix_is_taken_out_of_the_connection_string() {
        let of = |url: &str, prefix: &str| (url.to_owned(), prefix.to_owned());
        assert_eq!(split("kurrentdb://a:1"), of("kurrentdb://a:1", "whence."));
        let url = "kurrentdb://a:1?tls=false&streamprefix=shop%2E&gossipTimeout=1";
        assert_eq!(split(url), of("kurrentdb://a:1?tls=false&gossipTimeout=1", "shop."));
        assert_eq!(split("kurrentdb://a:1?streamPrefix="), of("kurrentdb://a:1", ""));
        assert_eq!(split("esdb://a?streamPrefix=%C3%A9."), of("esdb://a", "é."));
    }

    #[test]
    fn what_cannot_be_a_prefix_is_refused() {
        let refused = |value: &str| {
            Names::split(&format!("kurrentdb://a:1?streamPrefix={value}")).unwrap_err()
        };
        assert_eq!(refused("%E2%82"), PrefixError::NotText);
        assert_eq!(refused("$ours."), PrefixError::OfTheServer);
        assert_eq!(refused("%24ours."), PrefixError::OfTheServer);
        assert_eq!(refused("@ours"), PrefixError::OfTheServer);
        assert_eq!(refused("our-shop."), PrefixError::Category);
        assert_eq!(refused("our%20shop"), PrefixError::Invisible);
        assert_eq!(refused("our%00"), PrefixError::Invisible);
        assert_eq!(refused(&"a".repeat(65)), PrefixError::TooLong);
        assert_eq!(refused("a&streamPrefix=b"), PrefixError::Twice);
    }

    #[test]
    fn a_name_is_put_on_and_taken_off() {
        for prefix in ["whence.", "", "é"] {
            let names = Names::new(prefix).unwrap();
            let stream = StreamId::Audit;
            assert_eq!(names.of(&stream), format!("{prefix}audit"));
            assert_eq!(names.read(&names.of(&stream)), Some(Named::Stream(stream.clone())));
            let metadata = Names::metadata_of(&names.of(&stream));
            assert_eq!(names.read(&metadata), Some(Named::Metadata(stream)));
            assert_eq!(names.read(&format!("other.{prefix}audit")), None);
        }
        let names = Names::new(DEFAULT_PREFIX).unwrap();
        for name in ["audit", "$$audit", "whence.", "whence.user-42", "whence.log", "$whence.audit"]
        {
            assert_eq!(names.read(name), None, "{name}");
        }
    }
}
