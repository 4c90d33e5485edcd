//! How the authority is asked: each time by a connection of its own, since that is some twenty times in two months.

use std::{
    error::Error as _,
    fs, io,
    net::SocketAddr,
    path::Path,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Request, Response, Uri,
    body::Bytes,
    client::conn::http1,
    header::{self, HeaderValue},
};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

/// How long one address of the authority may take to answer a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(30);
/// How much the authority may answer, in bytes. A chain of certificates has some six thousand.
const MOST: usize = 256 * 1024;

/// For how long the authority has asked to be left alone, if it has.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked(Arc<Mutex<Option<Duration>>>);

impl Asked {
    pub(super) fn for_how_long(&self) -> Option<Duration> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, response: &Response<impl Sized>) {
        let status = response.status();
        let header = response.headers().get(header::RETRY_AFTER);
        let seconds = header.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        if let Some(seconds) =
            seconds.filter(|_| status.is_client_error() || status.is_server_error())
        {
            let asked = Some(Duration::from_secs(seconds));
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = asked;
        }
    }
}

/// See the module.
pub(super) struct Https {
    tls: TlsConnector,
    asked: Asked,
}

impl Https {
    /// Trusts whom the file vouches for, or whom this system trusts. Reads files.
    pub(super) fn new(root: Option<&Path>, asked: Asked) -> Result<Self, String> {
        let roots = if let Some(path) = root {
            read_roots(path)?
        } else {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        };
        if roots.is_empty() {
            return Err(
                "this system trusts nobody: install its certificates (Debian: ca-certificates)"
                    .to_owned(),
            );
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            tls: Arc::new(config).into(),
            asked,
        })
    }
}

/// The certificates in a PEM file.
pub(super) fn read_roots(path: &Path) -> Result<RootCertStore, String> {
    let pem = fs::read(path).map_err(|error| error.to_string())?;
    let certificates = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        return Err("there is no certificate in it that is of use".to_owned());
    }
    Ok(roots)
}

impl HttpClient for Https {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let (tls, asked) = (self.tls.clone(), self.asked.clone());
        Box::pin(async move {
            let place = request.uri().authority().map(ToString::to_string);
            let place = place.unwrap_or_default();
            let answered = timeout(REQUEST, exchange(tls, request)).await;
            let response = answered
                .unwrap_or_else(|_| Err("no answer in time".to_owned()))
                .map_err(|words| {
                    Error::Other(format!("{place} cannot be asked: {words}").into())
                })?;
            asked.note(&response);
            Ok(response.into())
        })
    }
}

/// Asks once.
async fn exchange(
    tls: TlsConnector,
    request: Request<BodyWrapper<Bytes>>,
) -> Result<Response<Full<Bytes>>, String> {
    let (mut parts, body) = request.into_parts();
    let authority = parts.uri.authority().cloned();
    let authority = authority.filter(|_| parts.uri.scheme_str() == Some("https"));
    let authority = authority.ok_or("it is no address that begins with https")?;
    let host = authority.host().trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let tcp = connect(host, authority.port_u16().unwrap_or(443)).await?;
    let stream = tls
        .connect(name, tcp)
        .await
        .map_err(|error| error.to_string())?;

    let path = parts.uri.path_and_query().map_or("/", |it| it.as_str());
    parts.uri = path.parse::<Uri>().map_err(|error| error.to_string())?;
    let host = HeaderValue::from_str(authority.as_str()).map_err(|error| error.to_string())?;
    parts.headers.insert(header::HOST, host);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| said(&error))?;
    let mut answer = pin!(async move {
        let response = sender.send_request(Request::from_parts(parts, body)).await;
        let (parts, body) = response.map_err(|error| said(&error))?.into_parts();
        let body = Limited::new(body, MOST).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        Ok(Response::from_parts(parts, Full::new(body)))
    });
    let mut connection = pin!(connection);
    let mut is_open = true;
    loop {
        tokio::select! {
            biased;
            answer = &mut answer => return answer,
            // What was read before it ended is answered still.
            _ = &mut connection, if is_open => is_open = false,
        }
    }
}

/// One address after the other, so that one that hangs is no reason to give up.
async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    let addrs = lookup_host((host, port)).await;
    let addrs: Vec<SocketAddr> = addrs.map_err(|error| error.to_string())?.collect();
    let mut problem = "it has no address".to_owned();
    for addr in addrs.into_iter().take(4) {
        match timeout(CONNECT, TcpStream::connect(addr)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => problem = error.to_string(),
            Err(_) => problem = io::Error::from(io::ErrorKind::TimedOut).to_string(),
        }
    }
    Err(problem)
}

fn said(error: &hyper::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_by(status: u16, header: &str) -> Option<u64> {
        let asked = Asked::default();
        let response = Response::builder().status(status);
        let response = response.header(header::RETRY_AFTER, header);
        asked.note(&response.body(()).unwrap());
        asked.for_how_long().map(|asked| asked.as_secs())
    }

    #[test]
    fn an_authority_that_is_asked_too_often_says_for_how_long_to_leave_it_alone() {
        assert_eq!(asked_by(429, "3600"), Some(3600));
        assert_eq!(asked_by(503, " 5 "), Some(5));
        assert_eq!(
            asked_by(200, "3"),
            None,
            "that is how often to look at an order"
        );
        assert_eq!(asked_by(429, "Fri, 31 Dec 1999 23:59:59 GMT"), None);
        assert_eq!(asked_by(429, "-1"), None);
    }

    #[tokio::test]
    async fn nothing_is_asked_without_tls() {
        let https = Https {
            tls: Arc::new(
                ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                    .with_safe_default_protocol_versions()
                    .unwrap()
                    .with_root_certificates(RootCertStore::empty())
                    .with_no_client_auth(),
            )
            .into(),
            asked: Asked::default(),
        };
        let request = Request::builder().uri("http://127.0.0.1:9/dir");
        let request = request.body(BodyWrapper::default()).unwrap();
        let refused = https.request(request).await;
        let words = refused.err().map(|error| error.to_string());
        assert!(words.is_some_and(|words| words.contains("https")));
    }
}
