//! Giving up root.

use std::io::Read;

use caps::CapSet;
use rustix::process::{Gid, Uid, getegid, geteuid, getgid, getuid};
use rustix::thread::{set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// An account of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its name, for messages.
    pub name: String,
    /// Its user id.
    pub uid: u32,
    /// Its group id.
    pub gid: u32,
}

/// Root could not be given up.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// `/etc/passwd` could not be read.
    #[error("cannot read `/etc/passwd` to look up user `{name}`: {source}")]
    Passwd {
        /// Whom.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// There is no such user.
    #[error(
        "user `{0}` does not exist; create it (`useradd --system --no-create-home {0}`) or name another with `--user`"
    )]
    NoUser(String),
    /// Root is not given up for root.
    #[error("user `{0}` is root; name an unprivileged user with `--user`")]
    IsRoot(String),
    /// More than one thread would leave the others with root's privileges.
    #[error("cannot give up root with {0} threads running; it must be done before any is started")]
    Threads(usize),
    /// A call failed.
    #[error("cannot give up root: {call} failed: {source}")]
    Call {
        /// Which.
        call: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The kernel says that something is left.
    #[error("root was given up but `{0}` is still there; refusing to go on")]
    Left(&'static str),
}

impl User {
    /// The account of that name in `/etc/passwd`; passwd(5).
    ///
    /// # Errors
    /// [`PrivilegeError`] if there is none, or if it is root.
    pub fn lookup(name: &str) -> Result<Self, PrivilegeError> {
        let failed = |source| PrivilegeError::Passwd { name: name.to_owned(), source };
        let mut text = Vec::new();
        std::fs::File::open("/etc/passwd")
            .and_then(|mut file| file.read_to_end(&mut text))
            .map_err(failed)?;
        let user = String::from_utf8_lossy(&text)
            .lines()
            .find_map(|line| Self::from_passwd(line, name))
            .ok_or_else(|| PrivilegeError::NoUser(name.to_owned()))?;
        if user.uid == 0 || user.gid == 0 { Err(PrivilegeError::IsRoot(user.name)) } else { Ok(user) }
    }

    /// The account this process runs under.
    pub fn current() -> Self {
        let uid = geteuid().as_raw();
        Self { name: format!("uid {uid}"), uid, gid: getegid().as_raw() }
    }

    fn from_passwd(line: &str, name: &str) -> Option<Self> {
        let mut fields = line.split(':');
        let found = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (found == name).then(|| Self { name: name.to_owned(), uid, gid })
    }
}

/// Becomes `user` for good: groups, ids, every capability set, no_new_privs; then reads back that nothing of
/// root is left. Credentials belong to threads, so it must be done while there is only one.
///
/// # Errors
/// [`PrivilegeError`]; the process must not go on after one.
pub fn drop_privileges(user: &User) -> Result<(), PrivilegeError> {
    let threads = std::fs::read_dir("/proc/self/task").map_err(call("read /proc/self/task"))?.count();
    if threads != 1 {
        return Err(PrivilegeError::Threads(threads));
    }
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    if uid.is_root() {
        return Err(PrivilegeError::IsRoot(user.name.clone()));
    }
    set_thread_groups(&[]).map_err(call("setgroups"))?;
    set_thread_res_gid(gid, gid, gid).map_err(call("setresgid"))?;
    set_thread_res_uid(uid, uid, uid).map_err(call("setresuid"))?;
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        caps::clear(None, set).map_err(|_| PrivilegeError::Left("capabilities"))?;
    }
    set_no_new_privs(true).map_err(call("prctl(PR_SET_NO_NEW_PRIVS)"))?;
    nothing_left(user)
}

fn nothing_left(user: &User) -> Result<(), PrivilegeError> {
    let ids = [getuid().as_raw(), geteuid().as_raw()] == [user.uid; 2]
        && [getgid().as_raw(), getegid().as_raw()] == [user.gid; 2];
    if !ids {
        return Err(PrivilegeError::Left("user or group id"));
    }
    // What is ambient is permitted too, capabilities(7).
    for set in [CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        if !caps::read(None, set).is_ok_and(|left| left.is_empty()) {
            return Err(PrivilegeError::Left("capabilities"));
        }
    }
    match set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT) {
        Err(_) => Ok(()),
        Ok(()) => Err(PrivilegeError::Left("the way back to root")),
    }
}

fn call<E: Into<std::io::Error>>(call: &'static str) -> impl FnOnce(E) -> PrivilegeError {
    move |source| PrivilegeError::Call { call, source: source.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let line = "stockade:x:998:997::/nonexistent:/usr/sbin/nologin";
        let user = User::from_passwd(line, "stockade").unwrap();
        assert_eq!((user.uid, user.gid), (998, 997));
        assert_eq!(User::from_passwd(line, "stock"), None);
        assert_eq!(User::from_passwd("broken:x:a:b", "broken"), None);
    }

    #[test]
    fn root_is_not_an_unprivileged_user() {
        assert!(matches!(User::lookup("root"), Err(PrivilegeError::IsRoot(_))));
        assert!(matches!(User::lookup("no-such-user-here"), Err(PrivilegeError::NoUser(_))));
    }

    #[test]
    fn root_is_not_given_up_while_other_threads_run() {
        let nobody = User { name: "nobody".to_owned(), uid: 65534, gid: 65534 };
        // The test runner itself has more than one thread.
        assert!(matches!(drop_privileges(&nobody), Err(PrivilegeError::Threads(_))));
    }
}
