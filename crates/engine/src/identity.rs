//! Who this install is to servers, without an account.
//!
//! An install has one secret. From it follows a key for each server (Ed25519, RFC 8032), so that two servers cannot tell that they have
//! the same person, and a server that passes on what another one asks gets proofs that are worth nothing there. What is
//! signed is that server's challenge, which is good for one session (`docs/protocol.md`, section 8).

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use protocol::{Challenge, ClientMessage, PublicKey, Signature};
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use tokio_tungstenite::tungstenite::http::Uri;

/// What the file begins with; the secret follows as 64 hexadecimal digits.
const MARK: &str = "passerby-identity-1 ";
/// No such file is longer, in bytes.
const MOST_BYTES: u64 = 1024;

/// The secret of an install.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    secret: [u8; 32],
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read or made.
    #[error("the identity in {path} cannot be used")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file holds something else. It is left as it is.
    #[error(
        "{0} is no identity: move it away to become somebody new to all servers, or put a copy of the old one there"
    )]
    Broken(PathBuf),
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    NoRandom,
}

impl Identity {
    /// One that was never there before, and is forgotten with the process.
    ///
    /// # Errors
    /// [`IdentityError::NoRandom`].
    pub fn fleeting() -> Result<Self, IdentityError> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|_| IdentityError::NoRandom)?;
        Ok(Self { secret })
    }

    /// The identity in a file, which is made, for its owner alone, if it is not there.
    ///
    /// # Errors
    /// [`IdentityError`] when the file cannot be used; it is never overwritten.
    pub fn load_or_create(path: &Path) -> Result<Self, IdentityError> {
        let refuse = |source| IdentityError::File {
            path: path.to_owned(),
            source,
        };
        match fs::metadata(path) {
            Ok(about) if about.len() > MOST_BYTES => {
                return Err(IdentityError::Broken(path.to_owned()));
            }
            Ok(_) => return Self::load(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(refuse(error)),
        }
        let made = Self::fleeting()?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(refuse)?;
        }
        // Whole or not there, and whoever comes first makes it.
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}", std::process::id()));
        let draft = path.with_file_name(name);
        let written = private(&draft).and_then(|mut file| {
            file.write_all(made.text().as_bytes())?;
            file.sync_all()?;
            fs::hard_link(&draft, path).or_else(|error| {
                // Not every file system has links.
                if path.exists() {
                    Err(io::ErrorKind::AlreadyExists.into())
                } else {
                    tracing::debug!(%error, "the identity is moved into its place");
                    fs::copy(&draft, path).map(drop)
                }
            })
        });
        if let Err(error) = fs::remove_file(&draft) {
            tracing::debug!(%error, "a draft of the identity stays");
        }
        match written {
            Ok(()) => Ok(made),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::load(path),
            Err(error) => Err(refuse(error)),
        }
    }

    fn load(path: &Path) -> Result<Self, IdentityError> {
        let text = fs::read_to_string(path).map_err(|source| match source.kind() {
            io::ErrorKind::InvalidData => IdentityError::Broken(path.to_owned()),
            _ => IdentityError::File {
                path: path.to_owned(),
                source,
            },
        })?;
        let secret = text.trim_end().strip_prefix(MARK).map(str::to_owned);
        let secret = secret.and_then(|digits| PublicKey::try_from(digits).ok());
        // A key has as many digits as the secret.
        secret
            .map(|secret| Self {
                secret: *secret.as_bytes(),
            })
            .ok_or_else(|| IdentityError::Broken(path.to_owned()))
    }

    fn text(&self) -> String {
        format!("{MARK}{}\n", PublicKey::from_bytes(self.secret))
    }

    /// Proves to the server at `url` who this is. `None` if that is no URL of a server.
    pub(crate) fn prove(&self, url: &str, challenge: &Challenge) -> Option<ClientMessage> {
        let host = host_of(url)?;
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        let seed = hmac::sign(&secret, format!("passerby server {host}").as_bytes());
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_ref()).ok()?;
        let key = pair.public_key().as_ref().try_into().ok()?;
        let signature = pair.sign(&challenge.statement());
        let signature = signature.as_ref().try_into().ok()?;
        Some(ClientMessage::Identify {
            key: PublicKey::from_bytes(key),
            signature: Signature::from_bytes(signature),
        })
    }
}

impl fmt::Debug for Identity {
    /// Leaves the secret out, so that no log ever holds it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

/// The name of a server, in lower case: what keys and block lists go by. Whoever has the name has all of its ports.
pub(crate) fn host_of(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host()?.trim_end_matches('.').to_ascii_lowercase();
    (!host.is_empty()).then_some(host)
}

/// A new file that nobody else may read.
pub(crate) fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    const CHALLENGE: Challenge = Challenge::from_bytes([3; 16]);

    fn key(identity: &Identity, url: &str) -> PublicKey {
        match identity.prove(url, &CHALLENGE) {
            Some(ClientMessage::Identify { key, signature }) => {
                UnparsedPublicKey::new(&ED25519, key.as_bytes())
                    .verify(&CHALLENGE.statement(), signature.as_bytes())
                    .expect("it is signed");
                key
            }
            other => panic!("expected a proof, got {other:?}"),
        }
    }

    #[test]
    fn an_identity_is_made_once_and_kept() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("new").join("identity");
        let made = Identity::load_or_create(&path).expect("it is made");
        let again = Identity::load_or_create(&path).expect("it is there");
        assert!(made == again);
        let files = fs::read_dir(path.parent().expect("a folder")).expect("it is there");
        assert_eq!(files.count(), 1, "no draft is left");
        assert!(made != Identity::fleeting().expect("random numbers"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&path)
                .expect("it is there")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn what_is_no_identity_is_left_alone_and_explained() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        for text in ["", "hello", &format!("{MARK}12"), &"x".repeat(5000)] {
            let path = folder.path().join("identity");
            fs::write(&path, text).expect("it takes text");
            let problem = Identity::load_or_create(&path).expect_err("it is none");
            assert!(problem.to_string().contains("move it away"), "{problem}");
            assert_eq!(fs::read_to_string(&path).expect("it is there"), *text);
        }
        let problem = Identity::load_or_create(folder.path()).expect_err("a folder is none");
        assert!(matches!(
            problem,
            IdentityError::File { .. } | IdentityError::Broken(_)
        ));
    }

    #[test]
    fn each_server_sees_another_key_whatever_the_port_or_spelling() {
        let identity = Identity::fleeting().expect("random numbers");
        let here = key(&identity, "wss://Example.org/v1/signalling");
        assert_eq!(here, key(&identity, "ws://example.org.:8080"));
        assert_ne!(here, key(&identity, "wss://example.com/"));
        let other = Identity::fleeting().expect("random numbers");
        assert_ne!(here, key(&other, "wss://example.org/"));
        assert_eq!(identity.prove("no url at all", &CHALLENGE), None);
    }
}
