//! Laying the inputs into `/job`, before any code of the job's has run.

use std::fs::OpenOptions;
use std::io::{Read, copy};
use std::os::unix::fs::OpenOptionsExt as _;

use nix::errno::Errno;
use stockade_plan::{Input, WORK_DIR};

use crate::job::Fault;

/// Copies each input from the stream, on which their bytes lie one behind the other, into a new file.
pub(crate) fn place(inputs: &[Input], stream: &mut impl Read) -> Result<(), Fault> {
    for input in inputs {
        let path = format!("{WORK_DIR}/{}", input.name);
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path);
        let mut file = opened.map_err(|error| Fault::io(format!("create `{path}`"), &error))?;
        let copied = copy(&mut stream.take(input.size), &mut file);
        match copied.map_err(|error| Fault::io(format!("write `{path}`"), &error))? {
            size if size == input.size => {}
            _ => return Err(Fault::new(format!("read what goes into `{path}`"), Errno::EBADMSG)),
        }
    }
    Ok(())
}
