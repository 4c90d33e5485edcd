//! Chromium's `DevTools` protocol over a pair of pipes: messages are JSON with a zero byte after each.
//!
//! Pipes need no port and cross network namespaces. Everything happens inside [`DevTools::call`]: while it waits for its
//! answer it also serves the files of the page.

use std::io::{BufRead as _, BufReader, PipeReader, PipeWriter, Write as _};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use serde_json::{Value, json};

/// Messages of the browser's that may wait to be looked at. When there are more, the browser waits.
const INBOX_LIMIT: usize = 256;

/// A file that the page consists of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asset {
    /// The last part of its address.
    pub(crate) name: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) text: &'static str,
}

/// A connection to one browser.
#[derive(Debug)]
pub(crate) struct DevTools {
    outbox: PipeWriter,
    inbox: Receiver<Value>,
    assets: &'static [Asset],
    last_id: u64,
    /// The page that is spoken to, once there is one.
    session: Option<String>,
}

impl DevTools {
    /// Takes the ends of the pipes. `assets` are what is served to pages that ask for [`DevTools::serve`]d addresses.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(crate) fn new(
        outbox: PipeWriter,
        from_browser: PipeReader,
        assets: &'static [Asset],
    ) -> anyhow::Result<Self> {
        let (sender, inbox) = mpsc::sync_channel(INBOX_LIMIT);
        // Ends with the browser, which has the only other end of the pipe, or with the receiver.
        std::thread::Builder::new()
            .name("devtools".to_owned())
            .spawn(move || read_messages(from_browser, &sender))
            .context("no thread to hear the browser")?;
        Ok(Self {
            outbox,
            inbox,
            assets,
            last_id: 0,
            session: None,
        })
    }

    /// Opens an empty page; what is called from now on concerns it.
    pub(crate) fn open_page(&mut self, longest: Duration) -> anyhow::Result<()> {
        let target = self.call(
            "Target.createTarget",
            &json!({"url": "about:blank"}),
            longest,
        )?;
        let parameters = json!({"targetId": target["targetId"], "flatten": true});
        let attached = self.call("Target.attachToTarget", &parameters, longest)?;
        let session = attached["sessionId"]
            .as_str()
            .context("the browser names no session")?;
        self.session = Some(session.to_owned());
        Ok(())
    }

    /// From now on the page gets the assets where it asks for addresses that begin so.
    pub(crate) fn serve(&mut self, begin: &str, longest: Duration) -> anyhow::Result<()> {
        let patterns = json!({"patterns": [{"urlPattern": format!("{begin}*")}]});
        self.call("Fetch.enable", &patterns, longest).map(drop)
    }

    /// Runs JavaScript in the page, waits for what it promises and returns that.
    ///
    /// # Errors
    /// What the script throws.
    pub(crate) fn evaluate(&mut self, script: &str, longest: Duration) -> anyhow::Result<Value> {
        let parameters = json!({
            "expression": script,
            "awaitPromise": true,
            "returnByValue": true,
            "userGesture": true,
        });
        let mut answer = self.call("Runtime.evaluate", &parameters, longest)?;
        if let Some(exception) = answer.get("exceptionDetails") {
            let words = exception["exception"]["description"].as_str();
            bail!("the page says: {}", words.unwrap_or("something was thrown"));
        }
        Ok(answer["result"]["value"].take())
    }

    /// Calls a method and waits for its answer.
    ///
    /// # Errors
    /// What the browser says, or that it says nothing for `longest`.
    pub(crate) fn call(
        &mut self,
        method: &str,
        parameters: &Value,
        longest: Duration,
    ) -> anyhow::Result<Value> {
        let deadline = Instant::now() + longest;
        let id = self.send(method, parameters)?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut message = match self.inbox.recv_timeout(left) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => {
                    bail!("the browser did not answer {method} within {longest:?}")
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("the browser ended before it answered {method}")
                }
            };
            if message["method"] == "Fetch.requestPaused" {
                self.answer_request(&message["params"])?;
            } else if message["id"] == id {
                return match message.get("error") {
                    Some(error) => bail!("{method} was refused: {}", error["message"]),
                    None => Ok(message["result"].take()),
                };
            }
        }
    }

    fn answer_request(&mut self, request: &Value) -> anyhow::Result<()> {
        let id = &request["requestId"];
        let address = request["request"]["url"].as_str().unwrap_or_default();
        let name = address.split(['?', '#']).next().unwrap_or_default();
        let name = name.rsplit('/').next().unwrap_or_default();
        // The answers to these are skipped in `call`, as every answer that nobody waits for.
        match self.assets.iter().find(|asset| asset.name == name) {
            Some(asset) => {
                let body = base64::engine::general_purpose::STANDARD.encode(asset.text);
                let headers = json!([{"name": "Content-Type", "value": asset.content_type}]);
                let answer = json!({"requestId": id, "responseCode": 200, "responseHeaders": headers, "body": body});
                self.send("Fetch.fulfillRequest", &answer)?;
            }
            None => {
                self.send(
                    "Fetch.fulfillRequest",
                    &json!({"requestId": id, "responseCode": 404}),
                )?;
            }
        }
        Ok(())
    }

    fn send(&mut self, method: &str, parameters: &Value) -> anyhow::Result<u64> {
        self.last_id += 1;
        let mut message = json!({"id": self.last_id, "method": method, "params": parameters});
        // These concern the browser, and are refused by a page.
        let is_browsers = method.starts_with("Browser.") || method.starts_with("Target.");
        if let Some(session) = self.session.as_ref().filter(|_| !is_browsers) {
            message["sessionId"] = json!(session);
        }
        let mut bytes = serde_json::to_vec(&message)?;
        bytes.push(0);
        self.outbox
            .write_all(&bytes)
            .with_context(|| format!("the browser cannot be told {method}"))?;
        Ok(self.last_id)
    }
}

fn read_messages(from_browser: PipeReader, inbox: &SyncSender<Value>) {
    let mut from_browser = BufReader::new(from_browser);
    loop {
        let mut bytes = Vec::new();
        match from_browser.read_until(0, &mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        bytes.pop();
        let Ok(message) = serde_json::from_slice(&bytes) else {
            return;
        };
        if inbox.send(message).is_err() {
            return;
        }
    }
}
