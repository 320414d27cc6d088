//! Who runs segctl, and which process it is: what a lock says of its holder.

use crate::ledger::{Holder, Process};
use std::{env, fs, io, process};

/// This process.
pub(super) fn this() -> Holder {
    Holder {
        user: first_set(&["USER", "LOGNAME", "USERNAME"]),
        host: host(),
        process: machine().and_then(|machine| {
            let id = process::id();
            let started = started(id).ok().flatten()?;
            Some(Process { machine, id, started })
        }),
    }
}

/// Whether a process has ended. Only the machine that it ran on knows.
pub(super) fn is_gone(process: &Process) -> bool {
    machine().as_ref() == Some(&process.machine)
        && started(process.id).is_ok_and(|started| started.as_ref() != Some(&process.started))
}

fn first_set(names: &[&str]) -> String {
    let mut values = names.iter().filter_map(|name| env::var(name).ok());
    let value = values.find(|value| !value.is_empty());
    value.unwrap_or_else(|| "unknown".to_owned())
}

fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    name.unwrap_or_else(|_| first_set(&["HOSTNAME", "COMPUTERNAME"]))
}

/// The boot of this machine and the process table that this process is in: containers of one machine have the same boot
/// and count processes apart. `None` where the system does not tell.
fn machine() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let table = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), table.display()))
}

/// When a process was started, in ticks since the boot; `None` where it has ended, also when nobody took its exit code yet.
///
/// # Errors
///
/// The system does not tell.
fn started(id: u32) -> io::Result<Option<String>> {
    let stat = match fs::read_to_string(format!("/proc/{id}/stat")) {
        Ok(stat) => stat,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // The program's name is in parentheses and may hold anything; the state is next, and the start is field 22 of all.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields.split_whitespace());
    let fields: Vec<&str> = fields.into_iter().flatten().collect();
    match fields.as_slice() {
        ["Z" | "X", ..] => Ok(None),
        [_, rest @ ..] if rest.len() > 18 => Ok(rest.get(18).map(|started| (*started).to_owned())),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_gone_once_it_ended_and_others_are_not_judged() {
        let own = this().process.unwrap();
        assert!(!is_gone(&own));
        let another_start = Process {
            started: format!("{}1", own.started),
            ..own.clone()
        };
        assert!(is_gone(&another_start));
        let elsewhere = Process {
            machine: "elsewhere".to_owned(),
            ..another_start
        };
        assert!(!is_gone(&elsewhere));
        let mut child = process::Command::new("true").spawn().unwrap();
        let started = started(child.id()).unwrap();
        let process = Process {
            id: child.id(),
            started: started.unwrap_or_default(),
            ..own
        };
        child.wait().unwrap();
        assert!(is_gone(&process));
    }
}
