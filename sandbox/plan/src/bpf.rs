//! What a filter answers, as the kernel would work it out.

use crate::Filter;

/// `struct seccomp_data`, linux/seccomp.h: number, architecture, instruction pointer, six arguments.
pub const SECCOMP_DATA_LEN: usize = 64;

impl Filter {
    /// What the filter returns for a system call (`SECCOMP_RET_*`, seccomp(2)), and after how many instructions; `None`
    /// where it leaves itself or uses an instruction that Stockade's filters do not have.
    pub fn run(&self, data: &[u8; SECCOMP_DATA_LEN]) -> Option<(u32, usize)> {
        let (mut at, mut accumulator, mut steps) = (0_usize, 0_u32, 0);
        loop {
            let instruction = self.instructions.get(at)?;
            let (jt, jf, k) = (usize::from(instruction.jt), usize::from(instruction.jf), instruction.k);
            steps += 1;
            at += 1;
            // linux/bpf_common.h: load, and, jump, jump if equal, greater, greater or equal, return.
            match instruction.code {
                0x20 => accumulator = word(data, k)?,
                0x54 => accumulator &= k,
                0x05 => at += usize::try_from(k).ok()?,
                0x15 => at += if accumulator == k { jt } else { jf },
                0x25 => at += if accumulator > k { jt } else { jf },
                0x35 => at += if accumulator >= k { jt } else { jf },
                0x06 => return Some((k, steps)),
                _ => return None,
            }
        }
    }
}

fn word(data: &[u8; SECCOMP_DATA_LEN], offset: u32) -> Option<u32> {
    let from = usize::try_from(offset).ok()?;
    let bytes = data.get(from..from.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// A call as a filter sees it. The instruction pointer is zero: no filter of ours looks at it.
pub fn seccomp_data(number: u32, architecture: u32, arguments: [u64; 6]) -> [u8; SECCOMP_DATA_LEN] {
    let mut data = [0; SECCOMP_DATA_LEN];
    let head = number.to_le_bytes().into_iter().chain(architecture.to_le_bytes()).chain([0; 8]);
    let arguments = arguments.into_iter().flat_map(u64::to_le_bytes);
    data.iter_mut().zip(head.chain(arguments)).for_each(|(byte, value)| *byte = value);
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Instruction;

    fn filter(instructions: &[(u16, u8, u8, u32)]) -> Filter {
        let all: Vec<_> =
            instructions.iter().map(|&(code, jt, jf, k)| Instruction { code, jt, jf, k }).collect();
        Filter { instructions: all.try_into().unwrap(), watched: crate::List::empty() }
    }

    #[test]
    fn an_answer_depends_on_what_is_looked_at() {
        let only_39 = filter(&[(0x20, 0, 0, 0), (0x15, 0, 1, 39), (0x06, 0, 0, 7), (0x06, 0, 0, 8)]);
        assert_eq!(only_39.run(&seccomp_data(39, 0, [0; 6])), Some((7, 3)));
        assert_eq!(only_39.run(&seccomp_data(40, 0, [0; 6])), Some((8, 3)));
    }

    #[test]
    fn a_filter_that_runs_off_its_end_or_reads_beyond_the_call_has_no_answer() {
        assert_eq!(filter(&[(0x05, 0, 0, 9)]).run(&[0; 64]), None);
        assert_eq!(filter(&[(0x20, 0, 0, 62), (0x06, 0, 0, 0)]).run(&[0; 64]), None);
        assert_eq!(filter(&[(0x99, 0, 0, 0)]).run(&[0; 64]), None);
    }
}
