//! The sentences: what can be wrong, what to do about it, and how far a node got before.

use super::version;

/// Why there is no connection, in words that hold no password.
#[derive(Debug, thiserror::Error)]
pub(in crate::store::kurrent) enum Diagnosis {
    #[error("{parameter}={file} cannot be read: {why}")]
    File { parameter: &'static str, file: String, why: String },
    #[error("the name {host} cannot be resolved")]
    NotResolved { host: String },
    #[error("no server listens at {at}")]
    Refused { at: String },
    #[error("{at} cannot be reached: {why}")]
    Unreachable { at: String, why: String },
    #[error("nothing at {at} has answered in time")]
    Silent { at: String },
    #[error("what listens at {at} is not KurrentDB")]
    Foreign { at: String },
    #[error("TLS with {at} failed: {why}")]
    Handshake { at: String, why: String },
    #[error("the server at {at} speaks without TLS, and the connection string wants it")]
    PlainServer { at: String },
    #[error("the server at {at} speaks TLS, and the connection string says tls=false")]
    TlsServer { at: String },
    #[error(
        "the certificate of {at} is not trusted: no authority {} has signed it",
        authorities(.file.as_deref())
    )]
    UnknownIssuer { at: String, file: Option<String> },
    #[error("the certificate of {at} expired at {end}, and it is {now} here")]
    Expired { at: String, end: String, now: String },
    #[error("the certificate of {at} is valid from {begin} on, and it is {now} here")]
    NotYetValid { at: String, begin: String, now: String },
    #[error("the certificate of {at} is of another name: {}", names_in_it(.names))]
    OtherName { at: String, names: Vec<String> },
    #[error("{at} {} a client certificate", if *.is_given { "does not accept userCertFile= as" } else { "asks for" })]
    ClientCertificate { at: String, is_given: bool },
    #[error("{}", too_old(.at, .version.as_deref()))]
    TooOld { at: String, version: Option<String> },
    #[error("no node of the cluster leads: {alive} of {nodes} are alive")]
    NoLeader { alive: usize, nodes: usize },
    #[error("{diagnosis}, which is where the nodes say that their leader is")]
    Advertised { diagnosis: Box<Diagnosis> },
    #[error("KurrentDB does not know the user {user} with this password")]
    WrongPassword { user: String },
    #[error("KurrentDB lets nobody read $all without a user, and the connection string names none")]
    NoCredentials,
    #[error("the user {user} may not read $all")]
    MissingRight { user: String },
    #[error("KurrentDB at {at} does not answer questions yet: {why}")]
    NotReady { at: String, why: String },
    /// Nothing is wrong by now.
    #[error("{cause}")]
    Passed { cause: String },
}

impl Diagnosis {
    /// Returns what a running service says of it, which tries again by itself.
    pub(in crate::store::kurrent) fn in_log(&self) -> String {
        if matches!(self, Self::Passed { .. }) { self.to_string() } else { self.sentence() }
    }

    /// Returns the diagnosis and the advice in one sentence.
    pub(in crate::store::kurrent) fn sentence(&self) -> String {
        format!("{self}: {}", self.advice())
    }

    /// Returns what to do.
    pub(in crate::store::kurrent) fn advice(&self) -> String {
        let advice = match self {
            Self::File { .. } => "name a file in PEM format that whence may read",
            Self::NotResolved { .. } => "correct the name in the connection string, or in DNS",
            Self::Refused { .. } => "start KurrentDB there, or correct host and port",
            Self::Unreachable { .. } | Self::Silent { .. } => {
                "see that the host is up, and that no firewall is between"
            }
            Self::Foreign { .. } => "correct host and port",
            Self::Handshake { .. } => "see the log of the server",
            Self::PlainServer { .. } => {
                "give the server a certificate, or write tls=false into the connection string of a \
                 network that is trusted"
            }
            Self::TlsServer { .. } => "leave tls=false out",
            Self::UnknownIssuer { .. } => {
                "name the certificate of the authority that signed it with tlsCaFile="
            }
            Self::Expired { .. } => "renew it, or set the clock here",
            Self::NotYetValid { .. } => "set the clock here, or wait",
            Self::OtherName { .. } => {
                "write a name of it into the connection string, or give the server a certificate \
                 of this one"
            }
            Self::ClientCertificate { .. } => {
                "name one whose authority the server trusts with userCertFile=, and its key with \
                 userKeyFile="
            }
            Self::TooOld { .. } => return format!("upgrade to {} or later", version::least()),
            Self::NoLeader { .. } => "start the other nodes: a majority of them elects the leader",
            Self::Advertised { diagnosis } => {
                let other = "set AdvertiseHostToClientAs of that node";
                return format!("{}, or {other}", diagnosis.advice());
            }
            Self::WrongPassword { .. } => {
                "correct them in the connection string, where both are taken as they are written, \
                 without percent-encoding"
            }
            Self::NoCredentials => "write kurrentdb://USER:PASSWORD@HOST:PORT",
            Self::MissingRight { user } => {
                return format!(
                    "as an administrator append to the stream $$$all an event of type $metadata \
                     with the data {{\"$acl\":{{\"$r\":[\"$admins\",\"{user}\"]}}}}"
                );
            }
            Self::NotReady { .. } => "wait, and see the log of the server",
            Self::Passed { .. } => "it answers by now: try again",
        };
        advice.to_owned()
    }

    /// Returns how far the node got: of several nodes, the one that got furthest says what is wrong
    /// with all.
    pub(super) fn step(&self) -> u8 {
        match self {
            Self::File { .. } | Self::NotResolved { .. } => 0,
            Self::Silent { .. } | Self::Unreachable { .. } => 1,
            Self::Refused { .. } => 2,
            Self::Foreign { .. } => 3,
            Self::PlainServer { .. }
            | Self::TlsServer { .. }
            | Self::Handshake { .. }
            | Self::UnknownIssuer { .. }
            | Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::OtherName { .. }
            | Self::ClientCertificate { .. } => 4,
            Self::TooOld { .. } => 5,
            Self::NotReady { .. } => 6,
            Self::NoLeader { .. } => 7,
            Self::Advertised { .. } => 8,
            Self::WrongPassword { .. } | Self::NoCredentials | Self::MissingRight { .. } => 9,
            Self::Passed { .. } => 10,
        }
    }
}

fn authorities(file: Option<&str>) -> String {
    match file {
        Some(file) => format!("in tlsCaFile={file}"),
        None => "that this system trusts".to_owned(),
    }
}

fn names_in_it(names: &[String]) -> String {
    if names.is_empty() {
        "it has no name".to_owned()
    } else {
        format!("it has {}", names.join(", "))
    }
}

fn too_old(at: &str, version: Option<&str>) -> String {
    match version {
        Some(version) => format!("KurrentDB {version} at {at} is too old"),
        None => format!("what answers at {at} is KurrentDB before 21.10, or something else"),
    }
}
