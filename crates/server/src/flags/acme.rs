//! What an operator says of a certificate that the server gets by itself (ACME, RFC 8555).

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use hyper::Uri;
use instant_acme::LetsEncrypt;

use crate::{AcmeSettings, resolve::SettingsError};

/// How the server gets its certificate by itself, and renews it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "A certificate by itself")]
#[expect(clippy::struct_field_names, reason = "they are the flags' names")]
pub struct AcmeFlags {
    /// A name that leads to port 443 of this server, for which it gets a certificate; may be given several times. Instead of
    /// --tls-cert and --tls-key.
    #[arg(
        long,
        env = "PASSERBY_ACME_DOMAIN",
        value_delimiter = ',',
        value_name = "NAME",
        value_parser = domain
    )]
    pub acme_domain: Vec<String>,

    /// I have read the terms of the certificate authority, and agree to them.
    #[arg(long, env = "PASSERBY_ACME_AGREE", value_parser = BoolishValueParser::new())]
    pub acme_agree: bool,

    /// A folder in which the certificate and its key are kept; made if its parent is there.
    #[arg(long, env = "PASSERBY_ACME_FOLDER", value_name = "FOLDER")]
    pub acme_folder: Option<PathBuf>,

    /// Where the authority may write to, such as admin@example.org.
    #[arg(long, env = "PASSERBY_ACME_EMAIL", value_name = "ADDRESS", value_parser = email)]
    pub acme_email: Option<String>,

    /// The directory of the authority. Let's Encrypt has another one to try things with:
    /// <https://acme-staging-v02.api.letsencrypt.org/directory>.
    #[arg(
        long,
        env = "PASSERBY_ACME_DIRECTORY",
        default_value = LetsEncrypt::Production.url(),
        value_name = "URL",
        value_parser = directory
    )]
    pub acme_directory: String,

    /// A PEM file with those who vouch for the authority's own server, if this system does not trust it.
    #[arg(long, env = "PASSERBY_ACME_ROOT", value_name = "FILE")]
    pub acme_root: Option<PathBuf>,
}

impl AcmeFlags {
    /// `None` if none is to be got.
    pub(crate) fn settings(mut self) -> Result<Option<AcmeSettings>, SettingsError> {
        if self.acme_domain.is_empty() {
            return match (
                self.acme_agree,
                self.acme_email,
                self.acme_folder,
                self.acme_root,
            ) {
                (true, ..) => Err(SettingsError::AcmeWithoutDomain("acme-agree")),
                (_, Some(_), ..) => Err(SettingsError::AcmeWithoutDomain("acme-email")),
                (_, _, Some(_), _) => Err(SettingsError::AcmeWithoutDomain("acme-folder")),
                (.., Some(_)) => Err(SettingsError::AcmeWithoutDomain("acme-root")),
                (false, None, None, None) => Ok(None),
            };
        }
        if !self.acme_agree {
            return Err(SettingsError::NotAgreed(self.acme_directory));
        }
        self.acme_domain.sort();
        self.acme_domain.dedup();
        if self.acme_domain.len() > 100 {
            return Err(SettingsError::TooManyDomains);
        }
        Ok(Some(AcmeSettings {
            domains: self.acme_domain,
            email: self.acme_email,
            folder: self.acme_folder.ok_or(SettingsError::AcmeWithoutFolder)?,
            directory: self.acme_directory,
            root: self.acme_root,
        }))
    }
}

/// Looks whether an authority could give a certificate for it to who has nothing but a server.
fn domain(text: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        (1..=63).contains(&label.len())
            && label.chars().all(is_letter)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.starts_with("*.") {
        return Err(
            "all names of a domain at once cannot be proved here: give each by itself".to_owned(),
        );
    }
    if !text.is_ascii() {
        return Err("the name is wanted as the DNS has it, which begins with xn--".to_owned());
    }
    let last = text.rsplit('.').next().unwrap_or_default();
    let is_address = last.chars().all(|letter| letter.is_ascii_digit());
    if text.len() > 253 || !text.contains('.') || is_address || !text.split('.').all(is_label) {
        return Err("a whole name is wanted, such as passerby.example.org".to_owned());
    }
    Ok(text.to_ascii_lowercase())
}

/// Looks whether it could be an address of electronic mail.
fn email(text: &str) -> Result<String, String> {
    let is_odd =
        |letter: char| letter.is_whitespace() || letter.is_control() || ",;?:<>".contains(letter);
    match text.split_once('@') {
        Some((name, host)) if !name.is_empty() && host.contains('.') && !text.contains(is_odd) => {
            Ok(text.to_owned())
        }
        _ => Err("an address is wanted, such as admin@example.org".to_owned()),
    }
}

/// Looks whether an authority's directory could be there.
fn directory(text: &str) -> Result<String, String> {
    let is_place = text.parse::<Uri>().is_ok_and(|uri| {
        let has_name = uri.authority().is_some_and(|it| !it.as_str().contains('@'));
        uri.scheme_str() == Some("https") && has_name
    });
    if is_place && text.len() <= 200 {
        return Ok(text.to_owned());
    }
    Err("an address that begins with https:// is wanted, such as https://acme-v02.api.letsencrypt.org/directory".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CertificateSource, resolve::tests::settings};

    #[test]
    fn with_a_name_an_agreement_and_a_folder_there_is_all_that_is_needed() {
        let flags = [
            "--acme-domain=Two.Example.org,one.example.org",
            "--acme-domain=one.example.org",
        ];
        let all = [&flags[..], &["--acme-agree", "--acme-folder=acme"]].concat();
        let tls = settings(&all).unwrap().tls;

        let Some(CertificateSource::Acme(acme)) = tls else {
            panic!("{tls:?}");
        };
        assert_eq!(acme.domains, ["one.example.org", "two.example.org"]);
        assert_eq!(acme.directory, LetsEncrypt::Production.url());
        assert_eq!((acme.email, acme.root), (None, None));
    }

    #[test]
    fn what_is_missing_or_too_much_is_said() {
        let name = "--acme-domain=a.example";
        for (flags, said) in [
            (&[name, "--acme-folder=x"][..], "--acme-agree"),
            (&[name, "--acme-agree"], "--acme-folder"),
            (&["--acme-agree"], "add --acme-domain"),
            (&["--acme-email=a@b.example"], "--acme-email says"),
            (&["--acme-folder=x"], "--acme-folder says"),
            (&["--acme-root=x"], "--acme-root says"),
            (
                &[
                    name,
                    "--acme-agree",
                    "--acme-folder=x",
                    "--tls-cert=c",
                    "--tls-key=k",
                ],
                "leave one of them out",
            ),
        ] {
            let error = settings(flags).expect_err(said);
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn names_that_no_authority_takes_here_are_refused_with_a_reason() {
        for (wrong, said) in [
            ("localhost", "a whole name"),
            ("*.example.org", "each by itself"),
            ("bücher.example", "xn--"),
            ("192.0.2.1", "a whole name"),
            ("-a.example", "a whole name"),
            ("a..example", "a whole name"),
            ("a.example.", "a whole name"),
            ("https://a.example", "a whole name"),
            ("", "a whole name"),
        ] {
            let error = domain(wrong).expect_err(wrong);
            assert!(error.contains(said), "{wrong}: {error}");
        }
        assert!(domain(&format!("{}.example", "a".repeat(64))).is_err());
        assert_eq!(
            domain("XN--Bcher-KVA.example").unwrap(),
            "xn--bcher-kva.example"
        );
    }

    #[test]
    fn addresses_of_people_and_of_directories_are_looked_at() {
        for wrong in [
            "me",
            "@b.example",
            "a@b",
            "a@b.example,c@d.example",
            "a@b.example?subject=x",
        ] {
            assert!(email(wrong).is_err(), "{wrong}");
        }
        assert!(email("admin@example.org").is_ok());
        let long = format!("https://a.example/{}", "x".repeat(200));
        for wrong in [
            "http://a.example/dir",
            "a.example",
            "https://",
            "https://a@b.example/",
            &long,
        ] {
            assert!(directory(wrong).is_err(), "{wrong}");
        }
        assert!(directory("https://127.0.0.1:14000/dir").is_ok());
    }
}
