//! Certificates that the server gets by itself, from a real authority.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::Duration,
};

use protocol::{ClientMessage, ServerMessage};
use server::{CertificateSource, Reload, Running, Server, Settings};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::rustls::{RootCertStore, pki_types::CertificateDer};
use tokio_tungstenite::{Connector, client_async_tls_with_config};

use crate::{
    admin::{look_in, metrics, overview, with_admin},
    client::{Client, Pair, candidate, patient},
    http::request,
    pebble::{Authority, BLOCKED, client_config, connector},
};

const NAME: &str = "passerby.example";
const OTHER: &str = "other.example";
const PATIENCE: Duration = Duration::from_secs(30);
const YEAR: Duration = Duration::from_hours(24 * 365);

/// A server that will get certificates at `authority`, and will be there.
async fn bind(authority: &Authority, domains: &[&str], folder: &Path) -> Server {
    let acme = authority.settings(domains, folder);
    let settings = Settings {
        listen: vec![(Ipv4Addr::LOCALHOST, 0).into()],
        tls: Some(CertificateSource::Acme(acme)),
        // The pair has nothing to do but to be there.
        heartbeat: Duration::from_mins(1),
        ..patient()
    };
    Server::bind(with_admin(settings))
        .await
        .expect("a free port")
}

/// What `/readyz` says, without TLS.
async fn readiness(server: &Running) -> (u16, String) {
    let answer = request(server.addr(), "GET /readyz", &[], "").await;
    (answer.status, answer.body.trim().to_owned())
}

/// Waits until newcomers are let in.
async fn until_ready(server: &Running, admin: SocketAddr) {
    let ready = timeout(PATIENCE, async {
        while readiness(server).await.0 != 200 {
            sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(ready.await.is_ok(), "{}", look_in(admin).await);
}

/// What the server shows to who asks for a name.
async fn shown(
    server: &Running,
    roots: &RootCertStore,
    alpn: &[&[u8]],
) -> std::io::Result<CertificateDer<'static>> {
    let stream = TcpStream::connect(server.addr()).await?;
    let connector = connector(roots.clone(), alpn);
    let name = NAME.try_into().expect("a name");
    let stream = timeout(PATIENCE, connector.connect(name, stream)).await??;
    let chain = stream.get_ref().1.peer_certificates();
    Ok(chain.expect("it has shown one")[0].clone().into_owned())
}

/// Comes by TLS and says `hello`.
async fn greeted(server: &Running, roots: &RootCertStore) -> Client {
    let stream = TcpStream::connect(server.addr()).await.expect("it listens");
    let config = client_config(roots.clone(), &[]);
    let connector = Some(Connector::Rustls(config));
    let url = format!("wss://{NAME}/v1/signalling");
    let connected = client_async_tls_with_config(url, stream, None, connector);
    let connected = timeout(PATIENCE, connected).await.expect("in time");
    let socket = connected.expect("the certificate is good").0;
    Client { socket }.greets().await
}

/// The problem with the certificate that the operator sees, once there is one.
async fn problem(admin: SocketAddr) -> String {
    let seen = timeout(PATIENCE, async {
        loop {
            let report: serde_json::Value =
                serde_json::from_str(&look_in(admin).await).expect("JSON");
            if let Some(problem) = report["certificate"]["problem"].as_str() {
                return problem.to_owned();
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    seen.await.expect("in time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_comes_by_itself_and_is_renewed_while_people_talk() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let server = bind(&authority, &[NAME], folder.path()).await.start();
    let admin = server.admin_addr().unwrap();

    // Nobody is there to give one.
    let words = problem(admin).await;
    assert!(words.contains("cannot be asked"), "{words}");
    assert_eq!(readiness(&server).await, (503, "uncertified".to_owned()));
    assert!(shown(&server, &RootCertStore::empty(), &[]).await.is_err());
    let before = metrics(admin).await;
    assert!(before["passerby_certificate_expires_in_seconds"].abs() < 0.1);
    assert!((before["passerby_certificate_failures_total"] - 1.0).abs() < 0.1);
    assert!(before["passerby_ready"].abs() < 0.1);

    let pebble = authority
        .start(server.addr().port(), Duration::from_secs(15))
        .await;
    let roots = pebble.roots().await;
    assert_eq!(server.reload_certificate().unwrap(), Some(Reload::Hurried));
    until_ready(&server, admin).await;
    let first = shown(&server, &roots, &[]).await.expect("it is trusted");
    let waiter = greeted(&server, &roots).await.waits().await;
    let Pair {
        mut offerer,
        mut answerer,
        room,
    } = Pair::of(waiter, greeted(&server, &roots).await).await;
    let left = metrics(admin).await["passerby_certificate_expires_in_seconds"];
    assert!((0.0..=15.0).contains(&left), "{left}");

    let renewed = timeout(PATIENCE, async {
        loop {
            match shown(&server, &roots, &[]).await {
                Ok(shown) if shown == first => sleep(Duration::from_millis(100)).await,
                shown => return shown.expect("it is trusted at any time"),
            }
        }
    });
    assert_ne!(renewed.await.expect("in time"), first);
    let obtained = metrics(admin).await["passerby_certificates_obtained_total"];
    assert!((obtained - 2.0).abs() < 0.1, "{obtained}");
    assert_eq!(pebble.orders(), 2);
    let said = candidate("candidate:1 1 udp 1 192.0.2.77 9 typ host");
    offerer
        .say(&ClientMessage::Candidate {
            room,
            candidate: Some(said.clone()),
        })
        .await;
    let heard = answerer.hears().await;
    assert!(
        matches!(&heard, ServerMessage::Candidate { candidate: Some(heard), .. } if *heard == said),
        "{heard:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_uses_what_is_there_and_orders_only_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("acme");
    let authority = Authority::new();
    let server = bind(&authority, &[NAME], &place).await;
    let addr = server.local_addr();
    let pebble = authority.start(addr.port(), YEAR).await;
    let roots = pebble.roots().await;
    let server = server.start();
    until_ready(&server, server.admin_addr().unwrap()).await;
    let first = shown(&server, &roots, &[]).await.expect("it is trusted");
    // An authority would ask like this; at other times there is nothing to show.
    assert!(shown(&server, &roots, &[b"acme-tls/1"]).await.is_err());
    server.stop().await;
    let inner = fs::read_dir(&place)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    for (path, mode) in [
        (inner.clone(), 0o700),
        (inner.join("account.pem"), 0o600),
        (inner.join("certificate.pem"), 0o600),
    ] {
        let found = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{}", path.display());
    }
    let account = fs::read(inner.join("account.pem")).unwrap();

    let again = bind(pebble.authority(), &[NAME], &place).await.start();
    assert_eq!(readiness(&again).await.0, 200, "at once");
    assert_eq!(shown(&again, &roots, &[]).await.unwrap(), first);
    assert_eq!(again.reload_certificate().unwrap(), Some(Reload::Hurried));
    sleep(Duration::from_millis(500)).await;
    again.stop().await;
    assert_eq!(pebble.orders(), 1);

    // Another name: the old certificate is shown until there is a new one, and the account is the same.
    let settings = pebble.authority().settings(&[NAME, OTHER], &place);
    let server = Server::bind(with_admin(Settings {
        listen: vec![addr],
        tls: Some(CertificateSource::Acme(settings)),
        ..patient()
    }))
    .await
    .expect("the port is free again")
    .start();
    assert_eq!(readiness(&server).await.0, 200);
    let obtained = timeout(PATIENCE, async {
        while shown(&server, &roots, &[]).await.expect("it is trusted") == first {
            sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(obtained.await.is_ok(), "{}", pebble.log());
    assert_eq!(pebble.orders(), 2);
    assert_eq!(fs::read(inner.join("account.pem")).unwrap(), account);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_authority_does_not_take_is_said_in_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let blocked = bind(&authority, &[NAME, BLOCKED], folder.path()).await;
    let elsewhere = bind(&authority, &[NAME], &folder.path().join("elsewhere")).await;
    // It looks for the proof where nobody is.
    let nowhere = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = nowhere.local_addr().unwrap().port();
    drop(nowhere);
    let pebble = authority.start(port, YEAR).await;

    let server = blocked.start();
    let words = problem(server.admin_addr().unwrap()).await;
    assert!(
        words.contains("the authority refuses") && words.contains(BLOCKED),
        "{words}"
    );
    let server = elsewhere.start();
    let admin = server.admin_addr().unwrap();
    let words = problem(admin).await;
    let said = format!("does not take the proof for {NAME}");
    assert!(
        words.contains(&said) && words.contains("Failed to connect"),
        "{words}"
    );
    assert_eq!(readiness(&server).await, (503, "uncertified".to_owned()));
    let page = overview(admin).await;
    let said = "There is no certificate yet. The server gets the next one by itself.";
    assert!(
        page.contains(said) && page.contains("Trouble with the certificate"),
        "{page}"
    );
    // It waits for its turn, and signalling without TLS works meanwhile.
    assert_eq!(pebble.orders(), 2);
    drop(Client::greeted(&server).await);
}
