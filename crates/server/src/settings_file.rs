//! Where settings come from: flags, the environment, one file, and defaults, in this order.
//!
//! The file says what flags say. Its keys are their names, and its values are checked as theirs are: it takes the place of
//! the defaults. So a setting has one name, one documentation and one set of limits.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fmt::{self, Write as _},
    fs,
    path::{Path, PathBuf},
};

use clap::{
    Arg, ArgAction, ArgMatches, Command, CommandFactory as _, FromArgMatches as _,
    error::{ContextKind, ContextValue, ErrorKind},
    parser::ValueSource,
};
use toml::de::{DeTable, DeValue};

use crate::Flags;

/// What says where settings are, or is no setting.
const NO_SETTINGS: [&str; 4] = ["config", "check-config", "help", "version"];

/// All that was said, from wherever.
#[derive(Debug)]
pub struct Sources {
    command: Command,
    matches: ArgMatches,
    file: Option<PathBuf>,
    /// What the file says, by the names of the flags.
    in_file: BTreeMap<String, Vec<String>>,
}

/// Where a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It was said nowhere.
    Default,
    /// The file.
    File,
    /// A variable.
    Environment,
    /// The command line.
    Flag,
}

/// What is wrong in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1, if it is one line that is wrong.
    pub line: Option<usize>,
    /// The key and what would be right.
    pub words: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.words)
    }
}

/// Why settings cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourcesError {
    /// A flag is wrong, or help was asked for.
    #[error(transparent)]
    Flags(#[from] clap::Error),
    /// A variable of the environment is.
    #[error("{0}")]
    Environment(String),
    /// The file is.
    #[error("{}", each_in_a_line(.0))]
    File(Vec<Problem>),
}

fn each_in_a_line(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

impl Sources {
    /// Reads the command line, whose first word is the program's name, the environment, and the file that they name, if
    /// they name one.
    pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, SourcesError> {
        let args: Vec<OsString> = args.into_iter().collect();
        let mut command = Flags::command();
        command.build();
        let matches = (command.clone().try_get_matches_from(&args))
            .map_err(|error| from_environment(&error, &command, &args).unwrap_or(error.into()))?;
        let Some(file) = matches.get_one::<PathBuf>("config").cloned() else {
            return Ok(Self {
                command,
                matches,
                file: None,
                in_file: BTreeMap::new(),
            });
        };
        let text = fs::read_to_string(&file).map_err(|error| {
            SourcesError::File(vec![Problem {
                path: file.clone(),
                line: None,
                words: format!("the settings cannot be read: {error}"),
            }])
        })?;
        let in_file = parse(&text, &file, &command).map_err(SourcesError::File)?;
        let mut with_file = Flags::command();
        for (name, values) in in_file.iter().filter(|(_, values)| !values.is_empty()) {
            let id = named(&command, name).map(Arg::get_id).cloned();
            if let Some(id) = id {
                with_file = with_file.mut_arg(id, |arg| arg.default_values(values.clone()));
            }
        }
        let matches = with_file.try_get_matches_from(&args)?;
        Ok(Self {
            command,
            matches,
            file: Some(file),
            in_file,
        })
    }

    /// What was said, as values.
    pub fn flags(&self) -> Result<Flags, SourcesError> {
        Ok(Flags::from_arg_matches(&self.matches)?)
    }

    /// Where the setting with this name comes from.
    pub fn source(&self, name: &str) -> Option<Source> {
        let arg = named(&self.command, name)?;
        Some(match self.matches.value_source(arg.get_id().as_str()) {
            Some(ValueSource::CommandLine) => Source::Flag,
            Some(ValueSource::EnvVariable) => Source::Environment,
            _ if self
                .in_file
                .get(name)
                .is_some_and(|values| !values.is_empty()) =>
            {
                Source::File
            }
            _ => Source::Default,
        })
    }

    /// All settings as a file that says the same, with where each comes from. Secrets are left out of it.
    pub fn effective(&self) -> String {
        let mut text = String::new();
        for arg in settings(&self.command) {
            let Some(name) = arg.get_long() else { continue };
            let raw = self.matches.get_raw(arg.get_id().as_str());
            let values: Vec<String> = (raw.into_iter().flatten())
                .map(|value| value.to_string_lossy().into_owned())
                .collect();
            let line = if values.is_empty() {
                format!("# {name} is not set")
            } else if arg.is_hide_env_values_set() {
                format!("# {name} = … is a secret{}", self.origin(name, arg))
            } else {
                format!(
                    "{name} = {}{}",
                    as_toml(arg, &values),
                    self.origin(name, arg)
                )
            };
            writeln!(text, "{line}").expect("a string takes everything");
        }
        text
    }

    fn origin(&self, name: &str, arg: &Arg) -> String {
        match (self.source(name), &self.file, arg.get_env()) {
            (Some(Source::Flag), ..) => "  # from the command line".to_owned(),
            (Some(Source::Environment), _, Some(variable)) => {
                format!("  # from {}", variable.to_string_lossy())
            }
            (Some(Source::File), Some(path), _) => format!("  # from {}", path.display()),
            _ => String::new(),
        }
    }
}

/// Says it of the variable, if that is where the wrong value comes from: clap names the flag in either case.
fn from_environment(
    error: &clap::Error,
    command: &Command,
    args: &[OsString],
) -> Option<SourcesError> {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let name = flag.strip_prefix("--")?.split(' ').next()?;
    let arg = named(command, name)?;
    let is_said = |arg: &OsString| {
        let said = arg.to_str().and_then(|arg| arg.strip_prefix("--"));
        said.is_some_and(|said| said.split('=').next() == Some(name))
    };
    if args.iter().any(is_said) {
        return None;
    }
    let variable = arg.get_env()?.to_str()?;
    let value = env::var(variable).ok()?;
    let words = complaint(arg, variable, &value)
        .unwrap_or_else(|| format!("{variable} = {value:?}: true or false is wanted"));
    Some(SourcesError::Environment(words))
}

/// The names of all settings, which are those of the flags and of the keys in the file.
pub(crate) fn settings(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| {
        arg.get_long()
            .is_some_and(|name| !NO_SETTINGS.contains(&name))
    })
}

fn named<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    settings(command).find(|arg| arg.get_long() == Some(name))
}

/// Reads what a file says; all that is wrong with it, if anything is.
fn parse(
    text: &str,
    path: &Path,
    command: &Command,
) -> Result<BTreeMap<String, Vec<String>>, Vec<Problem>> {
    let problem = |at: Option<usize>, words: String| Problem {
        path: path.to_owned(),
        line: at.map(|at| 1 + text.bytes().take(at).filter(|&byte| byte == b'\n').count()),
        words,
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let problems = errors.iter().map(|error| {
            let words = format!("this is not TOML: {}", error.message());
            problem(error.span().map(|span| span.start), words)
        });
        return Err(problems.collect());
    }
    let mut said = BTreeMap::new();
    let mut problems = Vec::new();
    for (key, value) in table.get_ref() {
        let (name, at) = (key.get_ref().as_ref(), Some(key.span().start));
        match checked(name, value.get_ref(), command) {
            Ok(values) => {
                said.insert(name.to_owned(), values);
            }
            Err(words) => problems.push(problem(at, words)),
        }
    }
    problems.sort_by_key(|problem| problem.line);
    if problems.is_empty() {
        Ok(said)
    } else {
        Err(problems)
    }
}

/// The values of one key, as the flag would have them.
fn checked(name: &str, value: &DeValue<'_>, command: &Command) -> Result<Vec<String>, String> {
    let Some(arg) = named(command, name) else {
        return Err(unknown(name, value, command));
    };
    let is_list = matches!(arg.get_action(), ArgAction::Append);
    let values = match value {
        DeValue::Array(elements) if is_list => elements
            .iter()
            .map(|element| single(name, arg, element.get_ref()))
            .collect::<Result<Vec<_>, _>>()?,
        DeValue::Array(_) => return Err(format!("{name} takes one value, not a list")),
        value => vec![single(name, arg, value)?],
    };
    match values.iter().find_map(|value| complaint(arg, name, value)) {
        Some(words) => Err(words),
        None => Ok(values),
    }
}

fn single(name: &str, arg: &Arg, value: &DeValue<'_>) -> Result<String, String> {
    let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
    match value {
        DeValue::Boolean(value) if is_switch => Ok(value.to_string()),
        _ if is_switch => Err(format!("{name} takes true or false, without quotes")),
        DeValue::String(text) => Ok(text.clone().into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(|number| number.to_string())
            .map_err(|_| format!("{name}: the number is too large")),
        _ => Err(format!(
            "{name} takes text in quotes or a whole number, not {}",
            match value.type_str() {
                "array" => "a list in a list",
                "table" => "a section",
                "boolean" => "true or false",
                "float" => "a number with a point",
                _ => "a date",
            }
        )),
    }
}

/// What is wrong with a value, in the words that would be used of a flag; `name` is what it is called where it stands.
fn complaint(arg: &Arg, name: &str, value: &str) -> Option<String> {
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return None;
    }
    let alone = Command::new("file")
        .no_binary_name(true)
        .disable_help_flag(true)
        .arg(arg.clone());
    let error = alone
        .try_get_matches_from([format!("--{}={value}", arg.get_long()?)])
        .err()?;
    if value.is_empty() {
        return Some(format!("{name} must not be empty"));
    }
    let wanted = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) => format!("one of {} is wanted", values.join(", ")),
        _ => std::error::Error::source(&error).map_or_else(
            || error.kind().to_string(),
            |source| reason(&source.to_string(), value),
        ),
    };
    // What is wrong in a secret is said without it.
    Some(if arg.is_hide_env_values_set() {
        format!("{name}: {wanted}")
    } else {
        format!("{name} = {value:?}: {wanted}")
    })
}

/// A number out of its range, in words; everything else says by itself what is wanted.
fn reason(words: &str, value: &str) -> String {
    match words
        .strip_prefix(value)
        .and_then(|words| words.trim().strip_prefix("is not in "))
    {
        Some(range) => format!("a number from {} is wanted", range.replace("..=", " to ")),
        None if words == "invalid digit found in string" => "a whole number is wanted".to_owned(),
        None => words.to_owned(),
    }
}

fn unknown(name: &str, value: &DeValue<'_>, command: &Command) -> String {
    if NO_SETTINGS.contains(&name) {
        return format!("{name} is for the command line, not for the file");
    }
    let alike = name.replace('_', "-");
    if named(command, &alike).is_some() {
        return format!("there is no setting {name:?}: it is written {alike}");
    }
    if value.is_table() {
        return format!(
            "there is no section [{name}]: each setting stands by itself, such as relay-port = 3478"
        );
    }
    // Clap knows what looks alike.
    let suggestion = (command.clone())
        .try_get_matches_from(["passerby-server".to_owned(), format!("--{alike}")])
        .err()
        .filter(|error| error.kind() == ErrorKind::UnknownArgument)
        .and_then(|error| match error.get(ContextKind::SuggestedArg) {
            Some(ContextValue::String(flag)) => Some(flag.trim_start_matches('-').to_owned()),
            _ => None,
        })
        .filter(|name| named(command, name).is_some());
    match suggestion {
        Some(suggestion) => {
            format!("there is no setting {name:?}: perhaps {suggestion} is meant")
        }
        None => format!("there is no setting {name:?}: passerby-server --help lists them"),
    }
}

/// Values as a file would say them.
fn as_toml(arg: &Arg, values: &[String]) -> String {
    let each = |value: &String| {
        let is_number = value
            .parse::<i64>()
            .is_ok_and(|number| number.to_string() == *value);
        let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
        if is_number || is_switch {
            value.clone()
        } else {
            quoted(value)
        }
    };
    if matches!(arg.get_action(), ArgAction::Append) {
        let values: Vec<String> = values.iter().map(each).collect();
        format!("[{}]", values.join(", "))
    } else {
        values.first().map(each).unwrap_or_default()
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => {
                write!(quoted, "\\u{:04X}", u32::from(control)).expect("a string takes everything");
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, flags: &[&str]) -> Result<Sources, SourcesError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it.toml");
        fs::write(&path, file).unwrap();
        let mut args = vec!["passerby-server".into(), "--config".into(), path.into()];
        args.extend(flags.iter().map(OsString::from));
        Sources::read(args)
    }

    fn problems(file: &str) -> Vec<Problem> {
        match read(file, &[]) {
            Err(SourcesError::File(problems)) => problems,
            other => panic!("{other:?}"),
        }
    }

    /// A file that sets everything, each to something else than the default.
    fn everything() -> String {
        let command = Flags::command();
        let mut text = String::new();
        for arg in settings(&command) {
            let name = arg.get_long().unwrap();
            let candidates = [
                "true",
                "7",
                "60",
                "100",
                "12",
                "\"7-8\"",
                "[\"127.0.0.1:7\"]",
                "\"127.0.0.1:7\"",
                "[\"192.0.2.7\"]",
                "[\"192.0.2.0/24\"]",
                "[\"stun:s.example\"]",
                "[\"turn:t.example\"]",
                "\"redis://r.example\"",
                "[\"https://o.example\"]",
                "\"relay-only\"",
                "\"json\"",
                "\"forwarded\"",
                "\"words.example\"",
                "\"words@example.org\"",
                "\"https://words.example\"",
            ];
            let value = candidates.iter().find(|value| {
                let line = format!("{name} = {value}");
                parse(&line, Path::new("it"), &command).is_ok()
            });
            writeln!(text, "{name} = {}", value.expect(name)).unwrap();
        }
        text
    }

    #[test]
    fn every_setting_has_its_key_in_the_file() {
        let sources = read(&everything(), &[]).unwrap();
        let command = Flags::command();
        assert!(settings(&command).count() > 25);
        for arg in settings(&command) {
            let name = arg.get_long().unwrap();
            assert_eq!(sources.source(name), Some(Source::File), "{name}");
        }
        let flags = sources.flags().unwrap();
        assert_eq!((flags.grace, flags.heartbeat), (7, 7));
        assert!(flags.relay.no_relay && flags.relay.relay_allow_private);
        assert_eq!(flags.relay.relay_ports, 7..=8);
    }

    #[test]
    fn flags_come_before_the_file_and_the_file_before_defaults() {
        let file = "grace = 7\nheartbeat = 8\nstun = [\"stun:a.example\"]";
        let sources = read(file, &["--grace=9", "--stun=stun:b.example"]).unwrap();
        let flags = sources.flags().unwrap();

        assert_eq!((flags.grace, flags.heartbeat), (9, 8));
        assert_eq!(flags.stun.len(), 1, "the list of the file is replaced");
        assert_eq!(flags.max_connections, 10_000);
        assert_eq!(sources.source("grace"), Some(Source::Flag));
        assert_eq!(sources.source("heartbeat"), Some(Source::File));
        assert_eq!(sources.source("max-connections"), Some(Source::Default));
        assert_eq!(sources.source("config"), None);
    }

    #[test]
    fn an_empty_list_and_an_empty_file_say_nothing() {
        let flags = read("listen = []\nturn = []", &[])
            .unwrap()
            .flags()
            .unwrap();
        assert_eq!(flags.listen.len(), 1);
        assert!(read("", &[]).is_ok());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_what_would_be_right() {
        for (line, words) in [
            ("relay-prot = 1", "perhaps relay-port is meant"),
            ("relay_port = 1", "it is written relay-port"),
            ("colour = \"red\"", "--help lists them"),
            ("config = \"other.toml\"", "for the command line"),
            ("check-config = true", "for the command line"),
            ("[relay-limits]", "each setting stands by itself"),
            ("relay = {}", "relay takes true or false"),
            ("relay-port = 99999", "from 0 to 65535"),
            ("relay-port = \"x\"", "a whole number is wanted"),
            ("heartbeat = 0", "a number from 1 to 300"),
            ("heartbeat = 99999999999999999999", "too large"),
            ("heartbeat = 1.5", "not a number with a point"),
            ("heartbeat = true", "not true or false"),
            ("heartbeat = [5]", "one value, not a list"),
            ("heartbeat = 1979-05-27", "not a date"),
            ("stun = [[\"stun:a.example\"]]", "not a list in a list"),
            ("no-relay = \"yes\"", "true or false, without quotes"),
            (
                "path-policy = \"relay\"",
                "one of any, relay-first, relay-only",
            ),
            ("relay-ports = \"9-8\"", "such as 50000-50999"),
            ("listen = [\"here\"]", "listen = \"here\""),
            ("turn = [\"stun:t.example\"]", "turn: or turns:"),
            ("log = \"warn=loud\"", "such as warn"),
            ("heartbeat", "not TOML"),
            ("heartbeat = 5\nheartbeat = 6", "duplicate"),
            ("public-host = \"\"", "must not be empty"),
        ] {
            let problems = problems(&format!("# a comment\n\n{line}\n"));
            let said = problems[0].to_string();
            assert!(said.contains(words), "{line}: {said}");
            assert!(said.contains("it.toml, line "), "{line}: {said}");
            let at = problems[0].line.unwrap();
            assert!((3..=5).contains(&at), "{line}: {said}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once_and_in_order() {
        let problems = problems("relay-port = -1\nfoo = 1\ngrace = 7\nbar = 1");
        let lines: Vec<_> = problems.iter().filter_map(|problem| problem.line).collect();
        assert_eq!(lines, [1, 2, 4]);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error =
            Sources::read(["passerby-server", "--config", "/nothing/it.toml"].map(OsString::from));
        let words = error.expect_err("refused").to_string();
        assert!(words.starts_with("/nothing/it.toml: "), "{words}");
    }

    #[test]
    fn what_holds_is_shown_as_a_file_that_says_the_same_and_keeps_secrets() {
        let file = everything();
        let sources = read(&file, &["--turn-username=a \"b\\\u{7}", "--grace=9"]).unwrap();
        let shown = sources.effective();
        let again = read(&shown, &[]).unwrap_or_else(|error| panic!("{error}\n{shown}"));

        let command = Flags::command();
        for arg in settings(&command) {
            let (name, id) = (arg.get_long().unwrap(), arg.get_id().as_str());
            if arg.is_hide_env_values_set() {
                assert!(shown.contains(&format!("# {name} = …")), "{shown}");
                continue;
            }
            let raw = |sources: &Sources| -> Vec<OsString> {
                let raw = sources.matches.get_raw(id);
                raw.into_iter().flatten().map(OsString::from).collect()
            };
            assert_eq!(raw(&sources), raw(&again), "{name}");
        }
        assert!(shown.contains("grace = 9  # from the command line"));
        let shown = read("turn-secret = \"hush\"", &[]).unwrap().effective();
        assert!(!shown.contains("hush"), "{shown}");
    }
}
