//! Network namespaces, and what becomes of them when nobody removes them.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, bail};

use crate::ffi;

/// Where `ip netns` keeps its namespaces.
const NAMESPACES: &str = "/run/netns";
/// Where running labs are known. A file in it is locked for as long as its lab lives.
const CLAIMS: &str = "/run/passerby-lab";
/// The file that is locked while labs are counted.
const GATE: &str = "gate";
/// What the names of all our namespaces begin with.
const PREFIX: &str = "plab";

/// The right to namespaces of a name that nobody else has.
#[derive(Debug)]
pub(crate) struct Claim {
    name: String,
    path: PathBuf,
    _lock: File,
}

impl Claim {
    /// Claims a name, after removing what dead labs have left.
    pub(crate) fn new() -> anyhow::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        std::fs::create_dir_all(CLAIMS).with_context(|| format!("cannot make {CLAIMS}"))?;
        let gate = File::create(Path::new(CLAIMS).join(GATE))?;
        gate.lock()?;
        sweep()?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}-{}-{count}", std::process::id());
        let path = Path::new(CLAIMS).join(&name);
        let lock = File::create(&path)?;
        lock.lock()?;
        Ok(Self {
            name,
            path,
            _lock: lock,
        })
    }

    /// The name of the namespace of this lab that does `role`.
    fn namespace(&self, role: &str) -> String {
        format!("{}-{role}", self.name)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            eprintln!("lab: {} could not be removed: {error}", self.path.display());
        }
    }
}

/// Removes the namespaces of labs that are dead: nobody holds the lock on their claim.
fn sweep() -> anyhow::Result<()> {
    for entry in std::fs::read_dir(CLAIMS)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with(PREFIX) {
            continue;
        }
        // Gone since it was listed, or alive.
        let Ok(lock) = File::open(&path) else {
            continue;
        };
        if lock.try_lock().is_err() {
            continue;
        }
        let ours = format!("{name}-");
        for namespace in std::fs::read_dir(NAMESPACES)
            .into_iter()
            .flatten()
            .flatten()
        {
            let namespace = namespace.file_name().to_string_lossy().into_owned();
            if namespace.starts_with(&ours) {
                remove(&namespace);
            }
        }
        forget(&path)?;
    }
    Ok(())
}

/// Removes a claim. Its lab may have done so itself since the claim was listed.
fn forget(claim: &Path) -> io::Result<()> {
    match std::fs::remove_file(claim) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// A network namespace, removed when this is dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    /// Makes a namespace with the loopback interface up and IPv6 off.
    pub(crate) fn create(claim: &Claim, role: &str) -> anyhow::Result<Self> {
        let name = claim.namespace(role);
        run(Command::new("ip").args(["netns", "add", &name]), "")?;
        let file = File::open(Path::new(NAMESPACES).join(&name))
            .inspect_err(|_| remove(&name))
            .with_context(|| format!("the namespace {name} cannot be opened"))?;
        let namespace = Self { name, file };
        namespace.set("net/ipv6/conf/all/disable_ipv6", "1")?;
        namespace.set("net/ipv6/conf/default/disable_ipv6", "1")?;
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// The name, as `ip netns` lists it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that stands for the namespace.
    pub fn path(&self) -> PathBuf {
        Path::new(NAMESPACES).join(&self.name)
    }

    /// A command that will run inside.
    ///
    /// # Errors
    /// When there are no file descriptors left.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> anyhow::Result<Command> {
        let mut command = Command::new(program);
        ffi::start_in_namespace(&mut command, self.file.try_clone()?);
        Ok(command)
    }

    /// Does something inside, in a thread of its own. A socket that it opens stays inside.
    ///
    /// # Errors
    /// When the thread cannot enter the namespace, or panicked.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
        let work = || ffi::enter_namespace(&self.file).map(|()| work());
        std::thread::scope(|scope| scope.spawn(work).join())
            .map_err(|_| anyhow::anyhow!("a thread in {} panicked", self.name))?
            .with_context(|| format!("cannot enter the namespace {}", self.name))
    }

    /// Carries out lines of `ip -batch`.
    ///
    /// # Errors
    /// When one of them fails, in `ip`'s words.
    pub fn ip(&self, lines: &str) -> anyhow::Result<()> {
        let mut command = Command::new("ip");
        command.args(["-n", &self.name, "-batch", "-"]);
        run(&mut command, lines)
    }

    /// Sets a value under `/proc/sys`.
    pub(crate) fn set(&self, key: &str, value: &str) -> anyhow::Result<()> {
        let path = Path::new("/proc/sys").join(key);
        match self.enter(|| std::fs::write(&path, value))? {
            // A kernel without IPv6 has none to switch off.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.with_context(|| format!("cannot set {key}")),
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Runs a helper to its end.
///
/// # Errors
/// In its own words, if it fails.
pub(crate) fn run(command: &mut Command, input: &str) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {program}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends early says why on its standard error.
        drop(stdin.write_all(input.as_bytes()));
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program} failed: {}\n{input}", said.trim());
    }
    Ok(())
}

/// Ends what still runs in a namespace, which only the lab can have started, and removes it.
fn remove(name: &str) {
    let pids = Command::new("ip").args(["netns", "pids", name]).output();
    for pid in pids.iter().flat_map(|output| {
        String::from_utf8_lossy(&output.stdout)
            .into_owned()
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    }) {
        // It may have ended by itself by now.
        drop(
            Command::new("kill")
                .args(["-9", &pid])
                .stderr(Stdio::null())
                .status(),
        );
    }
    if let Err(error) = run(Command::new("ip").args(["netns", "del", name]), "") {
        eprintln!("lab: {error:#}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_that_its_lab_has_removed_meanwhile_is_no_trouble() {
        let folder = tempfile::tempdir().unwrap();
        let claim = folder.path().join("plab-1-0");
        File::create(&claim).unwrap();
        forget(&claim).unwrap();
        assert!(!claim.exists());
        forget(&claim).unwrap();
        assert!(forget(folder.path()).is_err(), "any other trouble is told");
    }

    #[test]
    fn the_namespaces_of_a_dead_lab_are_removed_and_those_of_a_living_one_are_not() {
        if let Some(reason) = crate::check::why_left_out(&[crate::check::Part::Network]) {
            eprintln!("left out: {reason}");
            return;
        }
        let living = Claim::new().unwrap();
        let namespace = Namespace::create(&living, "test").unwrap();
        // A claim whose lock nobody holds is what a killed lab leaves.
        let dead = format!("{PREFIX}-0-{}", std::process::id());
        File::create(Path::new(CLAIMS).join(&dead)).unwrap();
        let left = format!("{dead}-left");
        run(Command::new("ip").args(["netns", "add", &left]), "").unwrap();

        drop(Claim::new().unwrap());

        assert!(!Path::new(NAMESPACES).join(&left).exists());
        assert!(!Path::new(CLAIMS).join(&dead).exists());
        assert!(Path::new(NAMESPACES).join(namespace.name()).exists());
        let path = Path::new(NAMESPACES).join(namespace.name());
        drop(namespace);
        assert!(!path.exists());
    }
}
