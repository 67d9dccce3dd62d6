//! The proof by which a browser is known to an address, and the devices that are.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;
use whence_events::{DeviceId, EmailAddress, EmailKey, Mac, StreamId, UserId};

use crate::app::App;
use crate::app::client_address::ClientAddress;
use crate::domain::mailbox::{Mailbox, MailboxCommand, MailboxRejection};
use crate::engine::handler::{Context, HandleError};
use crate::infra::keys::Keys;

/// The purpose of the signature in the cookie of a known device.
const DOMAIN: &str = "known device";

/// The size of a proof: the key of the address, the id of the device, and the MAC over both.
const PROOF_BYTES: usize = 48;

/// The proof that a browser is a device which logged in to one address. Whether that address still
/// knows the device is decided by its mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeviceProof {
    /// The name of the address in the log.
    pub(crate) email_key: EmailKey,
    /// The device.
    pub(crate) device_id: DeviceId,
}

impl DeviceProof {
    /// Returns the proof as text, for a `Set-Cookie` line only.
    pub(crate) fn to_text(self, keys: &Keys) -> String {
        let parts = [self.email_key.0, *self.device_id.0.as_bytes(), self.mac(keys).0];
        URL_SAFE_NO_PAD.encode(parts.as_flattened())
    }

    /// Reads a proof whose MAC is right.
    pub(crate) fn parse(text: &[u8], keys: &Keys) -> Option<Self> {
        let bytes: [u8; PROOF_BYTES] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (parts, _) = bytes.as_chunks::<16>();
        let [email_key, device_id, mac] = parts.try_into().ok()?;
        let proof = Self {
            email_key: EmailKey(email_key),
            device_id: DeviceId(Uuid::from_bytes(device_id)),
        };
        keys.device.has_signed(DOMAIN, &proof.text(), &Mac(mac)).then_some(proof)
    }

    fn mac(self, keys: &Keys) -> Mac {
        keys.device.sign(DOMAIN, &self.text())
    }

    /// Returns the text that is signed.
    fn text(self) -> String {
        format!("{} {}", self.email_key, self.device_id)
    }
}

/// Returns what stands for a client's network in the log: of IPv4 an address, of IPv6 a /48, which is
/// what one site is given; all clients whose address is not known are one. `None` is a program on this
/// machine, which is not counted.
pub(crate) fn network_mac(client: ClientAddress, keys: &Keys) -> Option<Mac> {
    let text = match client {
        ClientAddress::Local(_) => return None,
        ClientAddress::Unknown => "unknown".to_owned(),
        ClientAddress::Known(ip) => match ip.to_canonical() {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => {
                let [a, b, c, ..] = v6.segments();
                format!("{a:x}:{b:x}:{c:x}::/48")
            }
        },
    };
    Some(keys.network.sign("client network", &text))
}

/// A device that is known to the address of a user.
#[derive(Clone, Debug)]
pub(crate) struct KnownDevices(std::sync::Arc<Mailbox>);

impl KnownDevices {
    /// Returns the devices, the one that logged in last first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &crate::domain::mailbox::Device> {
        self.0.devices().into_iter()
    }
}

impl App {
    /// Returns the devices that are known to the address of a user.
    pub(crate) async fn known_devices(
        &self,
        user_id: UserId,
        email: &EmailAddress,
    ) -> Result<KnownDevices, crate::store::StoreError> {
        let mailbox = self.engine.mailbox(self.engine.keys.email_key(email)).await?;
        let is_theirs = mailbox.owner == Some(user_id);
        Ok(KnownDevices(if is_theirs { mailbox } else { std::sync::Arc::default() }))
    }

    /// Forgets a device, and returns whether it was known. Its logins under way end.
    pub(crate) async fn forget_device(
        &self,
        email: &EmailAddress,
        device_id: DeviceId,
        context: &Context,
    ) -> Result<bool, HandleError<MailboxRejection>> {
        let stream = StreamId::Mailbox(self.engine.keys.email_key(email));
        let forget = MailboxCommand::ForgetDevice { device_id };
        let done = self.engine.handler.run::<Mailbox>(&stream, &forget, context).await?;
        Ok(!done.events.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::keys::MasterKey;
    use crate::infra::random::new_device_id;

    #[test]
    fn a_proof_round_trips_and_no_other_text_is_one() {
        let keys = Keys::derive(&MasterKey::generate());
        let proof = DeviceProof { email_key: EmailKey([7; 16]), device_id: new_device_id() };
        let text = proof.to_text(&keys);
        assert_eq!(DeviceProof::parse(text.as_bytes(), &keys), Some(proof));
        let other_keys = Keys::derive(&MasterKey::generate());
        assert_eq!(DeviceProof::parse(text.as_bytes(), &other_keys), None);
        for place in 0..text.len() {
            let mut bent = text.clone().into_bytes();
            bent[place] = if bent[place] == b'A' { b'B' } else { b'A' };
            assert_eq!(DeviceProof::parse(&bent, &keys), None, "{place}");
        }
        for wrong in
            [&b""[..], b"A", &text.as_bytes()[1..], b"\xff", &[text.as_bytes(), b"="].concat()]
        {
            assert_eq!(DeviceProof::parse(wrong, &keys), None);
        }
    }

    #[test]
    fn a_network_is_an_address_or_a_site_and_this_machine_is_none() {
        let keys = Keys::derive(&MasterKey::generate());
        let of = |text: &str| network_mac(ClientAddress::Known(text.parse().unwrap()), &keys);
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:ffff::"));
        assert_ne!(of("2001:db8:1::1"), of("2001:db8:2::1"));
        let local = ClientAddress::Local("127.0.0.1".parse().unwrap());
        assert_eq!(network_mac(local, &keys), None);
        let unknown = network_mac(ClientAddress::Unknown, &keys);
        assert!(unknown.is_some() && unknown != of("192.0.2.1"), "all of them are one");
    }
}
