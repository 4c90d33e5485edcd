//! A wire between a client and the server that can be cut.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Passes TCP connections on to a server, until it is cut and after it is mended.
pub struct Wire {
    addr: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    is_cut: bool,
    streams: Vec<TcpStream>,
}

impl Wire {
    /// Leads to the server of this `ws://` URL.
    pub fn to(url: &str) -> Self {
        let server: SocketAddr = url
            .trim_start_matches("ws://")
            .trim_end_matches('/')
            .parse()
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::<Mutex<Shared>>::default();
        let wire = Arc::clone(&shared);
        // Ends with the process: nothing wakes it from waiting for a client.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut shared = wire.lock().unwrap();
                if shared.is_cut {
                    continue;
                }
                let Ok(server) = TcpStream::connect(server) else {
                    continue;
                };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || {
                        drop(io::copy(&mut from, &mut to));
                        drop(to.shutdown(Shutdown::Both));
                    });
                }
                shared.streams.extend([client, server]);
            }
        });
        Self { addr, shared }
    }

    pub fn url(&self) -> String {
        format!("ws://{}/", self.addr)
    }

    /// Breaks every connection, and lets no other one through.
    pub fn cut(&self) {
        let mut shared = self.shared.lock().unwrap();
        shared.is_cut = true;
        for stream in shared.streams.drain(..) {
            // Fails for one that has ended by itself.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    pub fn mend(&self) {
        self.shared.lock().unwrap().is_cut = false;
    }
}
