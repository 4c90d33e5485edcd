//! The desktop's portal, which asks the person what to share and says where its pictures come from: `org.freedesktop.portal.ScreenCast`.
//!
//! Everything is waited for with an end, and no longer than the thread is to run.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::{FutureExt as _, StreamExt as _};
use zbus::message::Type;
use zbus::zvariant::{self, Array, OwnedObjectPath, OwnedValue, Structure, Value};
use zbus::{Connection, Error, MatchRule, Message, MessageStream};

use crate::worker::StopSignal;
use crate::{DeviceProblem, Lacking};

const PORTAL: &str = "org.freedesktop.portal.Desktop";
const PATH: &str = "/org/freedesktop/portal/desktop";
const SCREEN_CAST: &str = "org.freedesktop.portal.ScreenCast";
const REQUEST: &str = "org.freedesktop.portal.Request";
const SESSION: &str = "org.freedesktop.portal.Session";

/// Who does not answer by then is not there. The portal may have to be started first.
const PATIENCE: Duration = Duration::from_secs(15);
/// A dialog that nobody answers for so long is closed.
const DIALOG: Duration = Duration::from_mins(5);
/// How often it is looked whether something has come.
const TICK: Duration = Duration::from_millis(20);
/// News of the portal's that wait to be read; it has little to say.
const MOST_NEWS: usize = 64;

/// A screen, and a window, as kinds of sources.
const SCREENS_AND_WINDOWS: u32 = 1 | 2;
const WINDOW: u32 = 2;
/// The pointer is part of the picture.
const POINTER_EMBEDDED: u32 = 2;
const POINTER_HIDDEN: u32 = 1;

/// Why nothing is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The person has chosen nothing.
    Declined,
    /// The thread is to end.
    Stopped,
    /// It cannot be.
    Problem(DeviceProblem),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Problem(problem(&error))
    }
}

/// What the person has chosen.
#[derive(Debug)]
pub(super) struct Granted {
    /// A connection to PipeWire that may see this and nothing else.
    pub(super) remote: OwnedFd,
    /// Which of PipeWire's nodes has the pictures.
    pub(super) node: u32,
    /// Whether it is a single window.
    pub(super) is_window: bool,
}

/// A session with the portal. It ends when this is dropped, and with it what the desktop shows of it.
pub(super) struct Session<'a> {
    stop: &'a StopSignal,
    bus: Connection,
    news: MessageStream,
    path: OwnedObjectPath,
}

impl<'a> Session<'a> {
    /// Begins one.
    pub(super) fn open(stop: &'a StopSignal) -> Result<Self, Refusal> {
        let lacking = |error: Error| {
            tracing::info!(%error, "no session bus");
            Refusal::Problem(DeviceProblem::SystemLacks(Lacking::Portal))
        };
        let bus = wait(stop, PATIENCE, Connection::session())?.map_err(lacking)?;
        let owner = portal_of(stop, &bus)?;
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(owner)?
            .path_namespace(PATH)?
            .build();
        let news = MessageStream::for_match_rule(rule, &bus, Some(MOST_NEWS));
        let news = wait(stop, PATIENCE, news)??;
        let mut session = Self {
            stop,
            bus,
            news,
            path: OwnedObjectPath::default(),
        };
        let options = HashMap::from([
            ("handle_token", Value::from("passerby_create")),
            ("session_handle_token", Value::from("passerby")),
        ]);
        let request = session.call("CreateSession", &(options,))?;
        let results = session.answer(&request, PATIENCE)?;
        session.path = session_path(&results).ok_or_else(nonsense)?;
        Ok(session)
    }

    /// Lets the person choose, which may take a while.
    pub(super) fn ask(&mut self) -> Result<Granted, Refusal> {
        let pointer = match self.property("AvailableCursorModes")? {
            modes if modes & POINTER_EMBEDDED != 0 => POINTER_EMBEDDED,
            _ => POINTER_HIDDEN,
        };
        let kinds = self.property("AvailableSourceTypes")? & SCREENS_AND_WINDOWS;
        if kinds == 0 {
            return Err(Refusal::Problem(DeviceProblem::SystemLacks(
                Lacking::Portal,
            )));
        }
        let path = self.path.clone();
        let options = HashMap::from([
            ("handle_token", Value::from("passerby_select")),
            ("types", Value::from(kinds)),
            ("cursor_mode", Value::from(pointer)),
            ("multiple", Value::from(false)),
        ]);
        // Some desktops ask here, and most at the start.
        let request = self.call("SelectSources", &(&path, options))?;
        self.answer(&request, DIALOG)?;
        let options = HashMap::from([("handle_token", Value::from("passerby_start"))]);
        let request = self.call("Start", &(&path, "", options))?;
        let results = self.answer(&request, DIALOG)?;
        let (node, kind) = first_stream(&results).ok_or_else(nonsense)?;
        let options = HashMap::<&str, Value<'_>>::new();
        let reply = self.reply("OpenPipeWireRemote", &(&path, options))?;
        let remote: zvariant::OwnedFd = reply.body().deserialize()?;
        Ok(Granted {
            remote: remote.into(),
            node,
            // xdg-desktop-portal-wlr 0.7.0 calls screens windows, although it knows none.
            is_window: kind == WINDOW && kinds & WINDOW != 0,
        })
    }

    /// Whether the session was ended from outside, by the desktop's own "stop sharing" for instance. Never waits.
    pub(super) fn is_closed(&mut self) -> bool {
        while let Some(next) = self.news.next().now_or_never() {
            // Without the bus nobody could say it.
            let Some(Ok(message)) = next else {
                return true;
            };
            if is_end_of(&message, &self.path) {
                return true;
            }
        }
        false
    }

    fn property(&self, name: &str) -> Result<u32, Refusal> {
        property(self.stop, &self.bus, name).map(|(value, _)| value)
    }

    fn reply<B>(&self, method: &str, body: &B) -> Result<Message, Refusal>
    where
        B: serde::Serialize + zvariant::DynamicType,
    {
        let asked = self
            .bus
            .call_method(Some(PORTAL), PATH, Some(SCREEN_CAST), method, body);
        Ok(wait(self.stop, PATIENCE, asked)??)
    }

    /// Asks for something that is answered later, at the path that this returns.
    fn call<B>(&self, method: &str, body: &B) -> Result<OwnedObjectPath, Refusal>
    where
        B: serde::Serialize + zvariant::DynamicType,
    {
        let reply = self.reply(method, body)?;
        Ok(reply.body().deserialize()?)
    }

    /// Waits for the answer to what was asked.
    fn answer(&mut self, request: &OwnedObjectPath, longest: Duration) -> Result<Results, Refusal> {
        let (news, path) = (&mut self.news, &self.path);
        let answer = async {
            while let Some(message) = news.next().await {
                let message = message?;
                if is_end_of(&message, path) {
                    return Err(Refusal::Declined);
                }
                let header = message.header();
                let is_answer = header.interface().is_some_and(|it| it == REQUEST)
                    && header.member().is_some_and(|it| it == "Response")
                    && header
                        .path()
                        .is_some_and(|it| it.as_str() == request.as_str());
                if is_answer {
                    let (code, results): (u32, Results) = message.body().deserialize()?;
                    return verdict(code).map_or(Ok(results), Err);
                }
            }
            Err(nonsense())
        };
        match wait(self.stop, longest, answer) {
            // Nobody has answered: that is an answer, too.
            Err(Refusal::Problem(_)) if longest == DIALOG => Err(Refusal::Declined),
            other => other?,
        }
    }
}

type Results = HashMap<String, OwnedValue>;

/// Polls `future` until it is ready, the thread is to stop, or `longest` is over. The bus has a thread of its own, so nobody has to be
/// woken.
fn wait<T>(
    stop: &StopSignal,
    longest: Duration,
    future: impl Future<Output = T>,
) -> Result<T, Refusal> {
    let deadline = Instant::now() + longest;
    let mut future = pin!(future);
    loop {
        if let Some(output) = future.as_mut().now_or_never() {
            return Ok(output);
        }
        if Instant::now() >= deadline {
            let lacking = DeviceProblem::SystemLacks(Lacking::Portal);
            return Err(Refusal::Problem(lacking));
        }
        if !stop.sleep(TICK) {
            return Err(Refusal::Stopped);
        }
    }
}

/// Who the portal is at present. It is started by this, where that is its way.
fn portal_of(
    stop: &StopSignal,
    bus: &Connection,
) -> Result<zbus::names::UniqueName<'static>, Refusal> {
    let (_, reply) = property(stop, bus, "version")?;
    let header = reply.header();
    let sender = header.sender().ok_or_else(nonsense)?;
    Ok(sender.to_owned())
}

fn property(stop: &StopSignal, bus: &Connection, name: &str) -> Result<(u32, Message), Refusal> {
    let properties = Some("org.freedesktop.DBus.Properties");
    let body = (SCREEN_CAST, name);
    let asked = bus.call_method(Some(PORTAL), PATH, properties, "Get", &body);
    let reply = wait(stop, PATIENCE, asked)??;
    let value: OwnedValue = reply.body().deserialize()?;
    let value = u32::try_from(value).map_err(|_| nonsense())?;
    Ok((value, reply))
}

fn is_end_of(message: &Message, session: &OwnedObjectPath) -> bool {
    let header = message.header();
    header.interface().is_some_and(|it| it == SESSION)
        && header.member().is_some_and(|it| it == "Closed")
        && header
            .path()
            .is_some_and(|it| it.as_str() == session.as_str())
}

/// What a request came to, unless it was granted.
fn verdict(code: u32) -> Option<Refusal> {
    match code {
        0 => None,
        1 => Some(Refusal::Declined),
        _ => Some(Refusal::Problem(DeviceProblem::NotPermitted)),
    }
}

fn session_path(results: &Results) -> Option<OwnedObjectPath> {
    // It is a text, although it means a path.
    let path: &str = results.get("session_handle")?.downcast_ref().ok()?;
    path.try_into().ok()
}

/// The node and the kind of the first stream that was granted; a kind of zero is an unknown one.
fn first_stream(results: &Results) -> Option<(u32, u32)> {
    let streams: &Array<'_> = results.get("streams")?.downcast_ref().ok()?;
    let stream: &Structure<'_> = streams.inner().first()?.downcast_ref().ok()?;
    let [node, properties] = stream.fields() else {
        return None;
    };
    let node = node.downcast_ref().ok()?;
    let kind = match properties {
        Value::Dict(properties) => properties
            .iter()
            .find(|(key, _)| matches!(key, Value::Str(key) if key.as_str() == "source_type"))
            .and_then(|(_, kind)| kind.downcast_ref().ok()),
        _ => None,
    };
    Some((node, kind.unwrap_or_default()))
}

fn nonsense() -> Refusal {
    let why = "the portal's answer is not understood".to_owned();
    Refusal::Problem(DeviceProblem::Other(why))
}

fn problem(error: &Error) -> DeviceProblem {
    match error {
        Error::MethodError(name, detail, _) => {
            tracing::info!(%name, detail, "the portal refuses");
            problem_named(name.as_str(), detail.as_deref())
        }
        error => DeviceProblem::Other(error.to_string()),
    }
}

/// What the bus, or the portal, means by an error. Where there is a portal, but nobody behind it who knows screens, the property is not there.
fn problem_named(name: &str, detail: Option<&str>) -> DeviceProblem {
    let Some(short) = name.strip_prefix("org.freedesktop.DBus.Error.") else {
        return DeviceProblem::Other(detail.unwrap_or(name).to_owned());
    };
    match short {
        "ServiceUnknown" | "NameHasNoOwner" | "NoReply" | "Timeout" | "TimedOut"
        | "UnknownInterface" | "UnknownMethod" | "UnknownObject" | "UnknownProperty"
        | "InvalidArgs" => DeviceProblem::SystemLacks(Lacking::Portal),
        short if short.starts_with("Spawn.") => DeviceProblem::SystemLacks(Lacking::Portal),
        "AccessDenied" => DeviceProblem::NotPermitted,
        _ => DeviceProblem::Other(detail.unwrap_or(name).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use zbus::zvariant::Signature;

    use super::*;

    #[test]
    fn who_declines_is_told_apart_from_a_system_that_refuses() {
        assert_eq!(verdict(0), None);
        assert_eq!(verdict(1), Some(Refusal::Declined));
        let refused = Refusal::Problem(DeviceProblem::NotPermitted);
        assert_eq!(verdict(2), Some(refused.clone()));
        assert_eq!(verdict(77), Some(refused));
    }

    #[test]
    fn a_portal_that_is_not_there_is_told_apart_from_one_that_fails() {
        let lacking = DeviceProblem::SystemLacks(Lacking::Portal);
        for name in [
            "ServiceUnknown",
            "Spawn.ExecFailed",
            "InvalidArgs",
            "UnknownMethod",
        ] {
            let name = format!("org.freedesktop.DBus.Error.{name}");
            assert_eq!(problem_named(&name, None), lacking, "{name}");
        }
        let denied = problem_named("org.freedesktop.DBus.Error.AccessDenied", None);
        assert_eq!(denied, DeviceProblem::NotPermitted);
        let other = problem_named("org.freedesktop.portal.Error.Failed", Some("no room"));
        assert_eq!(other, DeviceProblem::Other("no room".to_owned()));
    }

    fn streams(properties: HashMap<&'static str, Value<'static>>) -> Results {
        let mut streams = Array::new(&Signature::try_from("(ua{sv})").unwrap());
        let stream = Structure::from((36_u32, properties));
        streams.append(Value::Structure(stream)).unwrap();
        let value = Value::from(streams).try_to_owned().unwrap();
        HashMap::from([("streams".to_owned(), value)])
    }

    #[test]
    fn a_stream_is_read_with_its_kind_and_without() {
        assert_eq!(first_stream(&streams(HashMap::new())), Some((36, 0)));
        let size = Structure::from((800_i32, 600_i32));
        let properties = HashMap::from([
            ("size", Value::Structure(size)),
            ("source_type", Value::from(2_u32)),
        ]);
        assert_eq!(first_stream(&streams(properties)), Some((36, WINDOW)));
    }

    #[test]
    fn an_answer_of_another_kind_is_no_stream() {
        for value in [
            Value::from(1_u32),
            Value::from(vec![1_u32]),
            Value::from("x"),
        ] {
            let value = value.try_to_owned().unwrap();
            let results = HashMap::from([("streams".to_owned(), value)]);
            assert_eq!(first_stream(&results), None);
        }
        assert_eq!(first_stream(&HashMap::new()), None);
        let results = HashMap::from([("session_handle".to_owned(), OwnedValue::from(1_u32))]);
        assert_eq!(session_path(&results), None);
    }

    #[test]
    fn the_desktops_own_stop_is_known_by_its_session_and_nothing_else_is_taken_for_it() {
        let path: OwnedObjectPath = "/org/freedesktop/portal/desktop/session/1_5/passerby"
            .try_into()
            .unwrap();
        let signal = |path: &str, interface: &str, member: &str| {
            let signal = Message::signal(path, interface, member).unwrap();
            signal.build(&()).unwrap()
        };
        assert!(is_end_of(&signal(path.as_str(), SESSION, "Closed"), &path));
        for other in [
            signal("/somebody/else", SESSION, "Closed"),
            signal(path.as_str(), REQUEST, "Closed"),
            signal(path.as_str(), SESSION, "Opened"),
        ] {
            assert!(!is_end_of(&other, &path), "{other:?}");
        }
    }

    #[test]
    fn nothing_is_waited_for_longer_than_it_may_take_or_than_the_thread_is_to_run() {
        let stop = StopSignal::default();
        assert_eq!(wait(&stop, PATIENCE, async { 7 }), Ok(7));
        let never = std::future::pending::<()>;
        let lacking = Refusal::Problem(DeviceProblem::SystemLacks(Lacking::Portal));
        assert_eq!(wait(&stop, TICK, never()), Err(lacking));
        stop.stop();
        assert_eq!(wait(&stop, PATIENCE, never()), Err(Refusal::Stopped));
    }
}
