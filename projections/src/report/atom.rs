//! The values that rows are grouped by, each as one number.

use whence_events::{Country, DeviceClass};

use super::channel::Channel;

/// A value of a dimension, small enough to group by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Atom(pub(super) u32);

impl Atom {
    /// The value where nothing was known.
    pub(super) const UNKNOWN: Self = Self(u32::MAX);

    /// Returns the index of something in a list of fewer than [`u32::MAX`].
    pub(super) fn at(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }

    pub(super) fn of_day(day: i32) -> Self {
        Self(day.cast_unsigned() ^ (1 << 31))
    }

    pub(super) fn day(self) -> i32 {
        (self.0 ^ (1 << 31)).cast_signed()
    }

    pub(super) fn of_country(country: Option<Country>) -> Self {
        let Some(country) = country else { return Self::UNKNOWN };
        let letters = country.as_str().bytes();
        Self(letters.fold(0, |all, letter| all << 8 | u32::from(letter)))
    }

    pub(super) fn country(self) -> Option<Country> {
        let [.., first, second] = self.0.to_be_bytes();
        Country::parse(std::str::from_utf8(&[first, second]).ok()?)
    }

    pub(super) fn of_device(device: Option<DeviceClass>) -> Self {
        let place = |device| DeviceClass::ALL.iter().position(|known| *known == device);
        device.and_then(place).map_or(Self::UNKNOWN, Self::at)
    }

    pub(super) fn of_channel(channel: Option<Channel>) -> Self {
        let place = |channel| Channel::ALL.iter().position(|known| *known == channel);
        channel.and_then(place).map_or(Self::UNKNOWN, Self::at)
    }
}
