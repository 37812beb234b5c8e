//! The directory of a cluster: where its parts lie, how it is made, and how the server is told to run it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
};

use super::{PostgresError, binaries::Binaries, program};

/// The role we log in as.
pub(super) const SUPERUSER: &str = "stockade";
/// The database we use: the one every cluster has.
pub(super) const DATABASE: &str = "postgres";
/// `sun_path` holds 108 bytes, the last of them zero; unix(7).
const SOCKET_PATH_MAX: usize = 107;
/// A log larger than this is put aside at the next start.
const LOG_MAX: u64 = 8 << 20;

/// Where the server of `state_dir` listens.
pub(super) fn socket_directory(state_dir: &Path) -> PathBuf {
    state_dir.join("postgres").join("socket")
}

/// A cluster that only we use.
#[derive(Debug)]
pub(super) struct Cluster {
    directory: PathBuf,
    pub(super) binaries: Binaries,
    /// Held as long as this lives: one supervisor for one cluster.
    _lock: File,
}

impl Cluster {
    /// Takes the cluster beneath `state_dir` for ourselves, and makes it if there is none.
    pub(super) fn open(state_dir: &Path) -> Result<Self, PostgresError> {
        let directory = state_dir.join("postgres");
        private_directory(&directory)?;
        let directory = directory.canonicalize().map_err(PostgresError::io("resolve", &directory))?;
        let socket = directory.join("socket");
        check_socket_path(&socket)?;
        let lock = lock(&directory.join("lock"))?;
        private_directory(&socket)?;
        let data = directory.join("data");
        let version = version_of(&data)?;
        let binaries = Binaries::find(&data, version)?;
        let cluster = Self { directory, binaries, _lock: lock };
        if version.is_none() {
            cluster.make()?;
        }
        cluster.write_access_files()?;
        Ok(cluster)
    }

    pub(super) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    pub(super) fn socket_directory(&self) -> PathBuf {
        self.directory.join("socket")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.directory.join("server.log")
    }

    /// Opens the log for the server to write to.
    pub(super) fn open_log(&self) -> Result<File, PostgresError> {
        let path = self.log();
        if fs::metadata(&path).is_ok_and(|log| log.len() > LOG_MAX) {
            let aside = path.with_extension("log.old");
            fs::rename(&path, &aside).map_err(PostgresError::io("put aside", &path))?;
        }
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        options.open(&path).map_err(PostgresError::io("open", &path))
    }

    /// Made beside its place and moved there when it is whole: an interrupted initdb leaves no cluster behind.
    fn make(&self) -> Result<(), PostgresError> {
        let (fresh, data) = (self.directory.join("data.new"), self.data());
        match fs::remove_dir_all(&fresh) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(PostgresError::io("remove the unfinished cluster", &fresh)(e));
            }
            _ => {}
        }
        let arguments =
            ["--username", SUPERUSER, "--encoding", "UTF8", "--no-locale", "--auth-local", "peer"];
        let rest = ["--auth-host", "reject", "--no-instructions", "--pgdata"];
        let mut all: Vec<&std::ffi::OsStr> =
            arguments.iter().chain(&rest).map(std::ffi::OsStr::new).collect();
        all.push(fresh.as_os_str());
        program::run(&self.binaries.initdb, &all)?;
        fs::rename(&fresh, &data).map_err(PostgresError::io("move into place", &fresh))?;
        let directory = File::open(&self.directory).map_err(PostgresError::io("open", &self.directory))?;
        directory.sync_all().map_err(PostgresError::io("sync", &self.directory))
    }

    /// Who is let in: our own user as [`SUPERUSER`], over the socket, and nobody else. Written at every start, so that
    /// the data may change hands.
    fn write_access_files(&self) -> Result<(), PostgresError> {
        let uid = nix::unistd::geteuid();
        let user = nix::unistd::User::from_uid(uid)
            .ok()
            .flatten()
            .ok_or(PostgresError::NoUserName(uid.as_raw()))?
            .name;
        let files = [
            ("pg_hba.conf", "local all all peer map=stockade\n".to_owned()),
            ("pg_ident.conf", format!("stockade \"{user}\" {SUPERUSER}\n")),
        ];
        for (name, content) in files {
            let path = self.directory.join(name);
            fs::write(&path, content).map_err(PostgresError::io("write", &path))?;
        }
        Ok(())
    }

    /// The server's arguments. Settings are given here and not in the data directory, so that a newer Stockade brings
    /// its own.
    pub(super) fn server_arguments(&self) -> Vec<String> {
        let settings = [
            ("listen_addresses", String::new()),
            ("unix_socket_directories", quoted(&self.socket_directory())),
            ("unix_socket_permissions", "0700".to_owned()),
            ("hba_file", self.directory.join("pg_hba.conf").display().to_string()),
            ("ident_file", self.directory.join("pg_ident.conf").display().to_string()),
            ("max_connections", "50".to_owned()),
            ("shared_buffers", "64MB".to_owned()),
            ("max_wal_size", "512MB".to_owned()),
            // The queue's rows live for moments: what is dead must go soon.
            ("autovacuum_naptime", "10s".to_owned()),
            // Our statements are small; compiling them costs more than running them.
            ("jit", "off".to_owned()),
            ("max_parallel_workers_per_gather", "0".to_owned()),
            ("timezone", "UTC".to_owned()),
            ("log_timezone", "UTC".to_owned()),
            ("log_checkpoints", "off".to_owned()),
            ("log_line_prefix", "%m [%p] ".to_owned()),
        ];
        let mut arguments = vec!["-D".to_owned(), self.data().display().to_string()];
        for (name, value) in settings {
            arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        arguments
    }
}

/// An entry of a list setting: the path may have commas and spaces in it.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('"', "\"\""))
}

fn private_directory(path: &Path) -> Result<(), PostgresError> {
    let mut builder = DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(PostgresError::io("make the directory", path))?;
    fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(PostgresError::io("make private", path))
}

fn check_socket_path(directory: &Path) -> Result<(), PostgresError> {
    let path = directory.join(".s.PGSQL.5432");
    let length = path.as_os_str().as_bytes().len();
    if length > SOCKET_PATH_MAX {
        return Err(PostgresError::PathTooLong { path, length, max: SOCKET_PATH_MAX });
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, PostgresError> {
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(PostgresError::io("open", path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(PostgresError::InUse(path.to_owned())),
        Err(TryLockError::Error(e)) => Err(PostgresError::io("lock", path)(e)),
    }
}

/// The major version that made the cluster in `data`, or `None` if there is nothing at all.
fn version_of(data: &Path) -> Result<Option<u32>, PostgresError> {
    match fs::symlink_metadata(data) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(PostgresError::io("look at", data)(e)),
        Ok(_) => {}
    }
    let version = fs::read_to_string(data.join("PG_VERSION")).ok().and_then(|text| text.trim().parse().ok());
    let whole = fs::metadata(data.join("global/pg_control")).is_ok();
    match version {
        Some(version) if whole => Ok(Some(version)),
        _ => Err(PostgresError::NotACluster(data.to_owned())),
    }
}
