//! A certificate that the server gets by itself, and renews (ACME, RFC 8555).
//!
//! `schedule.rs` says when; `order.rs` gets one, over `https.rs`; `challenges.rs` has the proof that a name leads here, which `tls.rs` shows at the
//! server's own port; `folder.rs` keeps what outlasts a restart. `docs/decisions/0029-acme-in-the-server.md` has the reasons.

mod challenges;
mod folder;
mod https;
mod order;
mod schedule;

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use tokio::{sync::Notify, task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub(crate) use challenges::{Challenges, PROTOCOL};
pub(crate) use folder::Folder;

use crate::{
    counters::{Counters, Total},
    random::random_u64,
    tls::Tls,
};
use schedule::{Schedule, Step};

/// From whom the certificate comes, and for which names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeSettings {
    /// The names that lead to this server, in small letters; at least one.
    pub domains: Vec<String>,
    /// Where the authority may write to.
    pub email: Option<String>,
    /// Where the account's key and the certificate are kept. Made if its parent is there.
    pub folder: PathBuf,
    /// The `https` URL of the authority's directory. Whoever names it has agreed to the authority's terms.
    pub directory: String,
    /// A PEM file with those who vouch for the authority's own certificate, if it is none that the system trusts.
    pub root: Option<PathBuf>,
}

/// Why no certificate can be got, whatever the authority says.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// There is no place for the folder.
    #[error(
        "--acme-folder: there is no folder {0}: make it first, for the user that the server runs as"
    )]
    NoFolder(PathBuf),
    /// The place is not ours.
    #[error(
        "--acme-folder: no file can be made in {0}: the user that the server runs as must be able to write there"
    )]
    NotWritable(PathBuf),
    /// It cannot be made or looked at.
    #[error("--acme-folder: cannot use {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Those who vouch for the authority cannot be read.
    #[error("--acme-root: cannot read {path}: {reason}")]
    Root {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl AcmeSettings {
    /// Looks at the files. Makes and changes none.
    pub(crate) fn check(&self) -> Result<(), AcmeError> {
        if let Some(path) = &self.root {
            let roots = https::read_roots(path);
            roots.map_err(|reason| AcmeError::Root {
                path: path.clone(),
                reason,
            })?;
        }
        Folder::check(self)
    }
}

/// The authority, for those who show the certificate.
#[derive(Debug)]
pub(crate) struct Acme {
    pub(crate) settings: AcmeSettings,
    pub(crate) folder: Folder,
    pub(crate) challenges: Arc<Challenges>,
    hurry: Notify,
    /// Why there is no new certificate, or why it could not be kept.
    problem: Mutex<Option<String>>,
}

impl Acme {
    pub(crate) fn new(settings: AcmeSettings) -> Result<Self, AcmeError> {
        settings.check()?;
        Ok(Self {
            folder: Folder::open(&settings)?,
            settings,
            challenges: Arc::default(),
            hurry: Notify::new(),
            problem: Mutex::default(),
        })
    }

    /// Ends the pause after a failure.
    pub(crate) fn hurry(&self) {
        self.hurry.notify_one();
    }

    pub(crate) fn problem(&self) -> Option<String> {
        let problem = self.problem.lock();
        problem.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn say(&self, words: Option<String>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }
}

/// How soon it is tried again to keep what could not be kept.
const KEEP_AGAIN: Duration = Duration::from_mins(1);

/// Sees to it that there is a certificate, until the server ends.
pub(crate) async fn keep(tls: Arc<Tls>, counters: Arc<Counters>, stop: CancellationToken) {
    let Some(acme) = tls.acme() else { return };
    let mut schedule = Schedule::default();
    let mut unkept: Option<String> = None;
    loop {
        let life = tls.life_for(&acme.settings.domains);
        let step = schedule.next(Instant::now(), SystemTime::now(), life.as_ref());
        if let Step::Wait(wait) = step {
            let wait = if unkept.is_some() {
                wait.min(KEEP_AGAIN)
            } else {
                wait
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(wait) => {}
                () = acme.hurry.notified() => schedule.hurry(),
            }
        } else {
            let obtained = tokio::select! {
                () = stop.cancelled() => return,
                obtained = order::obtain(&acme.settings, &acme.folder, &acme.challenges) => obtained,
            };
            let (words, asked) = match obtained {
                Ok(pem) => match tls.take(&pem) {
                    Ok(()) => {
                        schedule.succeeded();
                        counters.count(Total::CertificatesObtained);
                        acme.say(None);
                        info!("there is a new certificate: it is for new connections");
                        unkept = Some(pem);
                        (None, None)
                    }
                    Err(words) => (Some(words), None),
                },
                Err(failure) => (Some(failure.words), failure.asked),
            };
            if let Some(words) = words {
                counters.count(Total::CertificateFailures);
                let wait = schedule.failed(Instant::now(), asked, random_u64());
                warn!(
                    again_in_seconds = wait.as_secs(),
                    "no new certificate: {words}"
                );
                acme.say(Some(words));
            }
        }
        if let Some(pem) = unkept.take() {
            unkept = keep_on_disk(acme, pem).await;
        }
    }
}

/// Returns it if that fails. It is used all the same, since authorities give only so many.
async fn keep_on_disk(acme: &Acme, pem: String) -> Option<String> {
    let folder = acme.folder.clone();
    let kept = spawn_blocking(move || match folder.keep_certificate(&pem) {
        Ok(()) => Ok(()),
        Err(words) => Err((words, pem)),
    });
    match kept.await {
        Ok(Ok(())) => {
            acme.say(None);
            None
        }
        Ok(Err((words, pem))) => {
            warn!("{words}");
            acme.say(Some(words));
            Some(pem)
        }
        Err(error) => {
            warn!(%error, "the new certificate was not kept");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::CertificateSource;

    const DAY: Duration = Duration::from_hours(24);

    fn load(place: &std::path::Path) -> Tls {
        let settings = AcmeSettings {
            domains: vec!["passerby.example".to_owned()],
            email: None,
            folder: place.to_owned(),
            directory: "https://ca.example".to_owned(),
            root: None,
        };
        Tls::load(CertificateSource::Acme(settings)).unwrap()
    }

    /// A certificate that began so many days ago and lasts so many, with its key.
    fn made(name: &str, days_ago: u32, days: u32) -> String {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let from = SystemTime::now() - DAY * days_ago;
        params.not_before = from.into();
        params.not_after = (from + DAY * days).into();
        let certificate = params.self_signed(&key).unwrap();
        key.serialize_pem() + &certificate.pem()
    }

    #[test]
    fn a_certificate_that_is_of_no_use_does_not_take_the_place_of_another() {
        let place = tempfile::tempdir().unwrap();
        let tls = load(place.path());
        let good = made("passerby.example", 0, 90);
        tls.take(&good).unwrap();
        let before = tls.acceptor();

        let begin = good.find("-----BEGIN CERTIFICATE").unwrap();
        let (key, chain) = good.split_at(begin);
        let other_key = KeyPair::generate().unwrap().serialize_pem();
        for (wrong, said) in [
            (made("other.example", 0, 90), "for other names"),
            (made("passerby.example", 61, 90), "clock"),
            (made("passerby.example", 91, 90), "clock"),
            (key.to_owned(), "BEGIN"),
            (chain.to_owned(), "BEGIN"),
            (other_key + chain, "keys"),
            (String::new(), "BEGIN"),
        ] {
            let words = tls.take(&wrong).expect_err(said);
            assert!(words.contains(said), "{words}");
        }
        assert!(Arc::ptr_eq(before.config(), tls.acceptor().config()));
    }

    #[test]
    fn what_an_earlier_server_got_is_used_and_nonsense_is_no_reason_not_to_start() {
        let place = tempfile::tempdir().unwrap();
        let tls = load(place.path());
        let now = SystemTime::now();
        assert!(tls.is_missing(now));
        let folder = tls.acme().unwrap().folder.clone();

        folder
            .keep_certificate(&made("passerby.example", 61, 90))
            .unwrap();
        let tls = load(place.path());
        assert!(!tls.is_missing(now) && tls.is_missing(now + DAY * 30));
        let names = ["passerby.example", "other.example"].map(str::to_owned);
        let life = tls.life_for(&names[..1]).expect("it is for this name");
        assert!(life.two_thirds() < now, "it is to be renewed");
        assert_eq!(tls.life_for(&names), None);

        folder.keep_certificate("nonsense").unwrap();
        assert!(load(place.path()).is_missing(now));
    }

    #[tokio::test]
    async fn what_cannot_be_kept_is_told_until_it_is() {
        let place = tempfile::tempdir().unwrap();
        let tls = load(place.path());
        let acme = tls.acme().unwrap();
        let inner = place.path().join("ca.example");
        std::fs::remove_dir(&inner).unwrap();

        let unkept = keep_on_disk(acme, "it".to_owned()).await;
        assert_eq!(unkept.as_deref(), Some("it"));
        assert!(
            acme.problem()
                .is_some_and(|words| words.contains("cannot be kept"))
        );

        std::fs::create_dir(&inner).unwrap();
        assert_eq!(keep_on_disk(acme, "it".to_owned()).await, None);
        assert_eq!(acme.problem(), None);
        assert_eq!(acme.folder.certificate().unwrap().as_deref(), Some("it"));
    }
}
