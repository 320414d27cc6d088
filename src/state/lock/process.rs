//! The user, the machine and the process that hold a lock.

use super::{LockHolder, ProcessIdentity};
use std::{env, fs, io, process};

impl LockHolder {
    pub fn current() -> Self {
        Self {
            user: first_env_var(&["USER", "LOGNAME", "USERNAME"]),
            host: host_name(),
            process: machine_id().and_then(|machine| {
                let id = process::id();
                let started = process_start_time(id).ok().flatten()?;
                Some(ProcessIdentity { machine, id, started })
            }),
        }
    }
}

impl ProcessIdentity {
    /// Whether the process has certainly exited. For a process of another machine, this is false.
    pub fn has_exited(&self) -> bool {
        machine_id().as_ref() == Some(&self.machine)
            && process_start_time(self.id).is_ok_and(|started| started.as_ref() != Some(&self.started))
    }
}

fn first_env_var(names: &[&str]) -> String {
    let values = names.iter().filter_map(|name| env::var(name).ok());
    let mut values = values.filter(|value| !value.is_empty());
    values.next().unwrap_or_else(|| "unknown".to_owned())
}

fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    name.unwrap_or_else(|_| first_env_var(&["HOSTNAME", "COMPUTERNAME"]))
}

/// The boot id and the process namespace: containers of one machine share the boot id, and have their own process ids.
/// `None` if the system does not provide them.
fn machine_id() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let table = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), table.display()))
}

/// The start of a process in ticks since the boot. `None` if it has exited, even if it is still a zombie.
fn process_start_time(id: u32) -> io::Result<Option<String>> {
    let stat = match fs::read_to_string(format!("/proc/{id}/stat")) {
        Ok(stat) => stat,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // The second field is the program's name in parentheses, which can contain anything. The state follows it, and the
    // start is field 22.
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
    fn only_an_exited_process_of_this_machine_is_reported_as_exited() {
        let own = LockHolder::current().process.unwrap();
        assert!(!own.has_exited());
        let another_start = ProcessIdentity {
            started: format!("{}1", own.started),
            ..own.clone()
        };
        assert!(another_start.has_exited());
        let elsewhere = ProcessIdentity {
            machine: "elsewhere".to_owned(),
            ..another_start
        };
        assert!(!elsewhere.has_exited());
        let mut child = process::Command::new("true").spawn().unwrap();
        let started = process_start_time(child.id()).unwrap();
        let process = ProcessIdentity {
            id: child.id(),
            started: started.unwrap_or_default(),
            ..own
        };
        child.wait().unwrap();
        assert!(process.has_exited());
    }
}
