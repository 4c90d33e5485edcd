//! What a certificate says of itself: for how long it is good, and for which names (RFC 5280).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_parser::{extensions::GeneralName, parse_x509_certificate, time::ASN1Time};

/// From when until when a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) from: SystemTime,
    pub(crate) until: SystemTime,
}

impl Life {
    /// When two thirds of it are over.
    pub(crate) fn two_thirds(&self) -> SystemTime {
        let length = self.until.duration_since(self.from).unwrap_or_default();
        self.from.checked_add(length / 3 * 2).unwrap_or(self.until)
    }

    /// In how many seconds it ends; below zero if it is over.
    pub(crate) fn seconds_left(&self, now: SystemTime) -> i64 {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        match self.until.duration_since(now) {
            Ok(left) => seconds(left),
            Err(over) => -seconds(over.duration()),
        }
    }
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) life: Life,
    /// In small letters.
    pub(crate) names: Vec<String>,
}

impl About {
    /// `None` if it cannot be read.
    pub(crate) fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = parse_x509_certificate(certificate).ok()?;
        let validity = certificate.validity();
        let alternatives = certificate.subject_alternative_name().ok()?;
        let names = alternatives.iter().flat_map(|it| &it.value.general_names);
        Some(Self {
            life: Life {
                from: time(&validity.not_before)?,
                until: time(&validity.not_after)?,
            },
            names: names
                .filter_map(|name| match name {
                    GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
                    _ => None,
                })
                .collect(),
        })
    }

    pub(crate) fn is_for(&self, domains: &[String]) -> bool {
        domains.iter().all(|domain| self.names.contains(domain))
    }
}

/// `None` before 1970, and after what the machine's clock can say.
fn time(time: &ASN1Time) -> Option<SystemTime> {
    let seconds = u64::try_from(time.timestamp()).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_times_are_read() {
        let mut params =
            rcgen::CertificateParams::new(vec!["One.example".to_owned(), "two.example".to_owned()])
                .unwrap();
        params.not_before = rcgen::date_time_ymd(2001, 9, 9);
        params.not_after = rcgen::date_time_ymd(2001, 9, 12);
        let key = rcgen::KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();

        let about = About::read(made.der()).unwrap();
        let day = |days: u64| UNIX_EPOCH + Duration::from_hours(24) * (11_574 + days as u32);

        assert_eq!((about.life.from, about.life.until), (day(0), day(3)));
        assert_eq!(about.life.two_thirds(), day(2));
        assert_eq!(about.life.seconds_left(day(4)), -86_400);
        let both = ["one.example", "two.example"].map(str::to_owned);
        assert!(about.is_for(&both) && !about.is_for(&["three.example".to_owned()]));
        assert_eq!(
            About::read(&CertificateDer::from(vec![0x30, 3, 1, 1, 0])),
            None
        );
    }
}
