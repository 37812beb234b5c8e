//! What an ELF file asks of its host: its loader and the libraries it needs. Only what is asked for is read; a
//! program of a hundred megabytes costs as much as a small one.

use object::LittleEndian;
use object::elf::{
    DT_NEEDED, DT_RPATH, DT_RUNPATH, DT_STRTAB, EM_X86_64, FileHeader64, PT_LOAD, ProgramHeader64,
};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::read::{ReadCache, ReadRef};

use super::opened::Opened;

type Endian = LittleEndian;
type Segments<'a> = &'a [ProgramHeader64<Endian>];

/// A larger dynamic section is refused, bytes. Node's has under a thousand.
const DYNAMIC_MAX: u64 = 64 * 1024;
/// A longer name is refused, bytes.
const STRING_MAX: u64 = 4096;

/// What an ELF file asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Elf {
    /// `PT_INTERP`: the loader.
    pub(crate) interpreter: Option<String>,
    /// `DT_NEEDED`, in order.
    pub(crate) needed: Vec<String>,
    /// `DT_RPATH`, which libraries inherit; used only where there is no `DT_RUNPATH`. ld.so(8).
    pub(crate) rpath: Vec<String>,
    /// `DT_RUNPATH`.
    pub(crate) runpath: Vec<String>,
}

/// Reads an ELF file; the error says what is wrong with it.
pub(crate) fn read(file: Opened) -> Result<Elf, String> {
    let data = ReadCache::new(file);
    let header = FileHeader64::<Endian>::parse(&data).map_err(|error| error.to_string())?;
    if !header.is_little_endian() || header.e_machine(Endian::default()) != EM_X86_64 {
        return Err("is for another architecture".to_owned());
    }
    let segments = header.program_headers(Endian::default(), &data).map_err(|error| error.to_string())?;
    let mut elf = Elf { interpreter: interpreter(segments, &data)?, ..Elf::default() };
    dynamic(segments, &data, &mut elf)?;
    Ok(elf)
}

fn interpreter<'d>(segments: Segments<'d>, data: impl ReadRef<'d>) -> Result<Option<String>, String> {
    for segment in segments {
        if segment.p_filesz(Endian::default()) > STRING_MAX {
            continue;
        }
        if let Some(name) = segment.interpreter(Endian::default(), data).map_err(|error| error.to_string())? {
            return text(name).map(Some);
        }
    }
    Ok(None)
}

fn dynamic<'d>(segments: Segments<'d>, data: impl ReadRef<'d>, elf: &mut Elf) -> Result<(), String> {
    let Some(segment) = segments.iter().find(|s| s.p_type(Endian::default()) == object::elf::PT_DYNAMIC)
    else {
        return Ok(());
    };
    if segment.p_filesz(Endian::default()) > DYNAMIC_MAX {
        return Err(format!("has a dynamic section of more than {DYNAMIC_MAX} bytes"));
    }
    let entries =
        segment.dynamic(Endian::default(), data).map_err(|error| error.to_string())?.unwrap_or_default();
    let value = |tag| {
        entries.iter().filter(move |e| e.tag(Endian::default()) == tag).map(|e| e.val(Endian::default()))
    };
    let strings = match value(DT_STRTAB).next() {
        Some(address) => file_offset(segments, address).ok_or("has its names outside the file")?,
        None => return Ok(()),
    };
    let string =
        |offset: u64| string_at(data, strings.checked_add(offset).ok_or("has a name outside the file")?);
    elf.needed = value(DT_NEEDED).map(string).collect::<Result<_, _>>()?;
    elf.rpath = paths(value(DT_RPATH).map(string))?;
    elf.runpath = paths(value(DT_RUNPATH).map(string))?;
    Ok(())
}

fn paths(lists: impl Iterator<Item = Result<String, String>>) -> Result<Vec<String>, String> {
    let lists: Vec<String> = lists.collect::<Result<_, _>>()?;
    Ok(lists
        .iter()
        .flat_map(|list| list.split(':'))
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
        .collect())
}

/// Where in the file the byte lies that is at `address` in memory.
fn file_offset(segments: Segments<'_>, address: u64) -> Option<u64> {
    let mut loaded = segments.iter().filter(|segment| segment.p_type(Endian::default()) == PT_LOAD);
    loaded.find_map(|segment| {
        let inside = address.checked_sub(segment.p_vaddr(Endian::default()))?;
        let size = segment.p_filesz(Endian::default());
        (inside < size).then(|| segment.p_offset(Endian::default()).checked_add(inside)).flatten()
    })
}

fn string_at<'d>(data: impl ReadRef<'d>, offset: u64) -> Result<String, String> {
    let end = offset.saturating_add(STRING_MAX);
    let bytes =
        data.read_bytes_at_until(offset..end, 0).map_err(|()| "has a name outside the file".to_owned())?;
    text(bytes)
}

fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "has a name that is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_real_program_names_its_loader_and_libraries() {
        let elf = read(Opened::open("/usr/bin/env").unwrap()).unwrap();
        assert_eq!(elf.interpreter.as_deref(), Some("/lib64/ld-linux-x86-64.so.2"));
        assert_eq!(elf.needed, ["libc.so.6"]);
    }

    fn opened(file: File) -> Opened {
        Opened::of(file).unwrap()
    }

    #[test]
    fn a_truncated_or_foreign_file_is_an_error_and_never_a_panic() {
        let whole = std::fs::read("/usr/bin/env").unwrap();
        for length in [0, 4, 16, 63, 64, 200, 500, 1000, 4000, whole.len() / 2] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&whole[..length]).unwrap();
            let _: Result<Elf, String> = read(opened(file));
        }
        let mut foreign = whole.clone();
        foreign[18] = 0xb7; // EM_AARCH64
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&foreign).unwrap();
        assert_eq!(read(opened(file)), Err("is for another architecture".to_owned()));
    }
}
