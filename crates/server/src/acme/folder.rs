//! What is kept on the disk: the key of the account, and the certificate with its key. For the server's user alone, and whole or not there.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use instant_acme::Key;
use rcgen::KeyPair;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _};

use super::{AcmeError, AcmeSettings};
use crate::folders::may_make_files;

/// The key of the account, PEM.
const ACCOUNT: &str = "account.pem";
/// The certificate's key, the certificate, and those that vouch for it, PEM.
const CERTIFICATE: &str = "certificate.pem";

/// A folder for one authority.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes it, if it is not there.
    pub(crate) fn open(settings: &AcmeSettings) -> Result<Self, AcmeError> {
        Self::check(settings)?;
        let path = settings.folder.join(name_of(&settings.directory));
        let made = make_private(&path);
        made.map_err(|source| AcmeError::Folder {
            path: path.clone(),
            source,
        })?;
        Ok(Self(path))
    }

    /// Whether it could be made and written. Makes nothing.
    pub(crate) fn check(settings: &AcmeSettings) -> Result<(), AcmeError> {
        let path = &settings.folder;
        // Where it will be made, if it is not there.
        let (path, is_there) = match fs::metadata(path) {
            Ok(about) if about.is_dir() => (path.as_path(), true),
            Ok(_) => return Err(AcmeError::NoFolder(path.clone())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
                (parent.unwrap_or(Path::new(".")), false)
            }
            Err(source) => {
                let path = path.clone();
                return Err(AcmeError::Folder { path, source });
            }
        };
        if !is_there && !path.is_dir() {
            return Err(AcmeError::NoFolder(path.to_owned()));
        }
        let inner = settings.folder.join(name_of(&settings.directory));
        let folders = [path, &inner];
        let mut folders = folders.into_iter().filter(|path| path.exists());
        match folders.find(|path| !may_make_files(path)) {
            Some(path) => Err(AcmeError::NotWritable(path.to_owned())),
            None => Ok(()),
        }
    }

    /// The key of the account; made and kept if there is none.
    pub(super) fn account_key(&self) -> Result<(Key, PrivateKeyDer<'static>), String> {
        let path = self.0.join(ACCOUNT);
        let words = |reason: &dyn std::fmt::Display| {
            format!(
                "the key of the account, {}, cannot be used: {reason}",
                path.display()
            )
        };
        let pem = match fs::read(&path) {
            Ok(pem) => pem,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let pem = KeyPair::generate().map_err(|error| words(&error))?;
                let pem = pem.serialize_pem().into_bytes();
                self.write(ACCOUNT, &pem).map_err(|error| words(&error))?;
                pem
            }
            Err(error) => return Err(words(&error)),
        };
        let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|error| words(&error))?;
        let key = Key::from_pkcs8_der(der.clone_key()).map_err(|error| words(&error))?;
        Ok((key, der.into()))
    }

    /// The certificate and its key, PEM, if there are any.
    pub(crate) fn certificate(&self) -> io::Result<Option<String>> {
        match fs::read_to_string(self.0.join(CERTIFICATE)) {
            Ok(pem) => Ok(Some(pem)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts it in the place of the one that is there.
    pub(super) fn keep_certificate(&self, pem: &str) -> Result<(), String> {
        let path = self.0.join(CERTIFICATE);
        let kept = self.write(CERTIFICATE, pem.as_bytes());
        kept.map_err(|error| {
            format!(
                "the new certificate cannot be kept in {}: {error}",
                path.display()
            )
        })
    }

    /// When this returns it is on the disk, and whatever happens meanwhile, the old content or the new one is there.
    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let draft = self.0.join(format!(".{name}.new"));
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = private_file(&draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&draft, self.0.join(name))?;
        // On Windows a folder is no file.
        #[cfg(unix)]
        File::open(&self.0)?.sync_all()?;
        Ok(())
    }
}

/// A name for the folder of an authority, so that what one gave is not taken for another's.
fn name_of(directory: &str) -> String {
    let place = directory.strip_prefix("https://").unwrap_or(directory);
    let safe = |letter: char| match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' => letter,
        _ => '-',
    };
    // Neither hidden nor the folder above.
    place.trim_start_matches('.').chars().map(safe).collect()
}

#[cfg(unix)]
fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;

    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

#[cfg(not(unix))]
fn make_private(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// A new file that only its owner can read.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(folder: &Path) -> AcmeSettings {
        AcmeSettings {
            domains: vec!["passerby.example".to_owned()],
            email: None,
            folder: folder.to_owned(),
            directory: "https://ca.example/dir?x=..".to_owned(),
            root: None,
        }
    }

    #[test]
    fn the_key_of_the_account_is_made_once_and_for_its_owner_alone() {
        let place = tempfile::tempdir().unwrap();
        let settings = settings(&place.path().join("acme"));
        let made = Folder::open(&settings).unwrap().account_key().unwrap().1;
        let found = Folder::open(&settings).unwrap().account_key().unwrap().1;

        assert_eq!(made.secret_der(), found.secret_der());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;

            let folder = settings.folder.join("ca.example-dir-x-..");
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&folder), 0o700);
            assert_eq!(mode(&folder.join(ACCOUNT)), 0o600);
        }
    }

    #[test]
    fn a_key_that_makes_no_sense_is_said_and_stays_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(&settings(place.path())).unwrap();
        let path = folder.0.join(ACCOUNT);
        fs::write(&path, "nonsense").unwrap();

        let words = folder.account_key().err().expect("it is none");
        assert!(words.contains(ACCOUNT), "{words}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "nonsense");
    }

    #[test]
    fn a_draft_that_a_kill_has_left_is_no_hindrance_and_no_certificate() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(&settings(place.path())).unwrap();
        fs::write(folder.0.join(".certificate.pem.new"), "half of").unwrap();
        assert_eq!(folder.certificate().unwrap(), None);

        folder.keep_certificate("all of it").unwrap();
        assert_eq!(folder.certificate().unwrap().as_deref(), Some("all of it"));
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
    }

    #[test]
    fn what_is_wrong_with_the_folder_is_said_and_nothing_is_made() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, "").unwrap();
        let deep = place.path().join("not").join("there");
        for path in [&file, &deep] {
            let wrong = Folder::check(&settings(path)).expect_err("it is no folder");
            assert!(matches!(wrong, AcmeError::NoFolder(_)), "{wrong}");
        }
        assert!(Folder::check(&settings(&place.path().join("new"))).is_ok());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
