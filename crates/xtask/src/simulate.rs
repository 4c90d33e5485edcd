//! Writes the tables and charts of `docs/matching.md`: the simulator itself is the example `simulate` of `crates/matchmaker`.

use crate::process::{cargo, run, workspace};

pub(crate) fn run_simulation() -> Result<(), String> {
    let simulator = ["--package", "matchmaker", "--example", "simulate", "--"];
    run(cargo()
        .args(["run", "--release"])
        .args(simulator)
        .arg(workspace().join("docs")))
}
