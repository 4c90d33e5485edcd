//! The files beside the program say only what the program knows.

use std::{collections::BTreeSet, fs, path::PathBuf};

use clap::CommandFactory as _;
use server::{Flags, RelaySettings, Settings, Source, Sources};

use crate::{
    admin::{metrics, start_admin},
    client::brief,
};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).expect(name)
}

/// Names of all settings, with their variables.
fn settings() -> Vec<(String, String)> {
    let command = Flags::command();
    let settings = command.get_arguments().filter_map(|arg| {
        let variable = arg.get_env()?.to_str()?.to_owned();
        Some((arg.get_long()?.to_owned(), variable))
    });
    settings.collect()
}

/// What the program makes of a settings file.
fn understood(file: &str) -> Sources {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("it.toml");
    fs::write(&path, file).expect("it takes files");
    let args = ["passerby-server".into(), "--config".into(), path.into()];
    Sources::read(args).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_settings_file_has_every_setting_and_says_what_holds_without_it() {
    let file = read("packaging/server.toml");
    let defaults: Vec<&str> = (file.lines())
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
        .collect();
    let examples: Vec<&str> = (file.lines())
        .filter_map(|line| line.strip_prefix("# for instance: "))
        .collect();

    let shown = understood(&defaults.join("\n")).effective();
    let without_origin = |shown: &str| -> Vec<String> {
        let lines = shown.lines().map(|line| line.split("  # from ").next());
        lines.flatten().map(str::to_owned).collect()
    };
    assert_eq!(
        without_origin(&shown),
        without_origin(&understood("").effective())
    );
    for example in &examples {
        let name = example.split(' ').next().unwrap_or_default();
        assert_eq!(
            understood(example).source(name),
            Some(Source::File),
            "{name}"
        );
    }
    understood(&file).flags().expect("as it is, too");

    let named: BTreeSet<&str> = (defaults.iter().chain(&examples))
        .chain(&["listen"])
        .filter_map(|line| line.split(' ').next())
        .collect();
    // Secrets belong into files of their own.
    let kept_out = [
        "config",
        "turn-secret",
        "turn-credential",
        "admin-token",
        "redis",
    ];
    for (name, _) in settings() {
        let is_kept_out = kept_out.contains(&name.as_str());
        assert_eq!(named.contains(name.as_str()), !is_kept_out, "{name}");
    }
}

#[test]
fn the_manual_has_every_setting() {
    let manual = read("../../docs/operating.md");
    for (name, variable) in settings() {
        assert!(manual.contains(&format!("`--{name}")), "--{name}");
        assert!(manual.contains(&format!("`{variable}`")), "{variable}");
    }
}

#[test]
fn the_unit_and_the_container_say_only_what_the_program_knows() {
    let unit = read("packaging/passerby-server.service");
    let start = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let container = read("packaging/Containerfile");
    let entry = container
        .lines()
        .find_map(|line| line.strip_prefix("ENTRYPOINT "));
    let entry: Vec<String> =
        serde_json::from_str(entry.expect("it starts something")).expect("a list of words");
    for start in [start.expect("it starts something"), &entry.join(" ")] {
        let mut words = start.split(' ');
        assert_eq!(words.next(), Some("/usr/local/bin/passerby-server"));
        let config = path("packaging/server.toml");
        let args = words.map(|word| match word {
            "/etc/passerby/server.toml" => config.clone().into(),
            word => word.into(),
        });
        let args = ["passerby-server".into()].into_iter().chain(args);
        Sources::read(args).unwrap_or_else(|error| panic!("{error}"));
    }

    let known: BTreeSet<String> = settings()
        .into_iter()
        .map(|(_, variable)| variable)
        .collect();
    let named: Vec<&str> = (container
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_'))
    .filter(|word| word.starts_with("PASSERBY_"))
    .collect();
    assert!(!named.is_empty());
    for variable in named {
        assert!(known.contains(variable), "{variable}");
    }
}

#[tokio::test]
async fn the_dashboard_asks_for_nothing_that_is_not_measured() {
    let relay = RelaySettings {
        port: 0,
        tls_port: 0,
        ..RelaySettings::default()
    };
    let (_server, admin) = start_admin(Settings {
        relay: Some(relay),
        ..brief()
    })
    .await;
    let measured: BTreeSet<String> = (metrics(admin).await.into_keys())
        .map(|sample| sample.split('{').next().unwrap_or_default().to_owned())
        .collect();
    let dashboard = read("packaging/grafana.json");
    serde_json::from_str::<serde_json::Value>(&dashboard).expect("JSON");

    let asked: BTreeSet<&str> = dashboard
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("passerby_") || word.starts_with("process_"))
        .collect();
    assert!(asked.len() > 30, "{asked:?}");
    for name in asked {
        assert!(measured.contains(name), "{name}");
    }
}
