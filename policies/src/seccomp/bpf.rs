//! Answers to a classic BPF program.
//!
//! # Shape
//!
//! The kernel runs a new filter once for every system call number it knows, to learn which ones it may let pass
//! without running it (`seccomp_cache_prepare`, kernel/seccomp.c). A chain of comparisons makes that quadratic.
//! So neighbours with the same answer are joined into ranges, and a balanced tree of comparisons finds the
//! range: seven or eight steps for any number.

use stockade_plan::{FILTER_MAX, Instruction, List};

use super::verdict::{Answer, Case, Condition, Rule, Verdict};

// linux/bpf_common.h and linux/filter.h: classes, sizes, modes and jumps of classic BPF.
/// Load a word at a constant offset of `struct seccomp_data`.
const LOAD: u16 = 0x20;
/// Jump if the accumulator is the operand.
const JUMP_EQUAL: u16 = 0x15;
/// Jump if the accumulator is at least the operand.
const JUMP_AT_LEAST: u16 = 0x35;
/// Jump always, by the operand.
const JUMP: u16 = 0x05;
/// Accumulator and operand.
const AND: u16 = 0x54;
/// Return the operand.
const RETURN: u16 = 0x06;

// Offsets in `struct seccomp_data`, linux/seccomp.h.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// `AUDIT_ARCH_X86_64`, linux/audit.h.
const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
/// `__X32_SYSCALL_BIT`, asm/unistd.h: numbers from here on are of the x32 ABI.
const X32: u32 = 0x4000_0000;

/// A filter would have more instructions than the kernel takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a filter of {0} instructions, at most {FILTER_MAX} are allowed")]
pub struct FilterTooLong(usize);

/// The program that answers `answers` (numbers ascending) and, to every other number, `otherwise`, each as `said` says it. Another
/// architecture (`int 0x80` enters the 32-bit table) and x32 are killed.
pub(crate) fn program(
    answers: &[(u32, Answer<'_>)],
    otherwise: Verdict,
    said: fn(Verdict) -> Verdict,
) -> Result<List<Instruction, FILTER_MAX>, FilterTooLong> {
    let mut program = vec![
        instruction(LOAD, ARCHITECTURE),
        jump(JUMP_EQUAL, AUDIT_ARCH_X86_64, 1, 0),
        instruction(RETURN, Verdict::Kill.action()),
        instruction(LOAD, NUMBER),
    ];
    program.extend(tree(&ranges(answers, otherwise, said), said));
    let length = program.len();
    List::try_from(program).map_err(|_| FilterTooLong(length))
}

/// From this number on, up to the next range, the answer is this.
type Range<'a> = (u32, Answer<'a>);

/// The ranges of equal answers, ascending, from 0. Calls with a rule are ranges of their own.
fn ranges<'a>(
    answers: &[(u32, Answer<'a>)],
    otherwise: Verdict,
    said: fn(Verdict) -> Verdict,
) -> Vec<Range<'a>> {
    let mut ranges: Vec<Range<'a>> = Vec::new();
    let mut push = |start: u32, answer: Answer<'a>| match ranges.last() {
        Some((_, last)) if same_action(last, &answer, said) => {}
        _ => ranges.push((start, answer)),
    };
    let mut next = 0;
    for (number, answer) in answers.iter().filter(|(number, _)| *number < X32) {
        if *number > next {
            push(next, Answer::Fixed(otherwise));
        }
        push(*number, *answer);
        next = number + 1;
    }
    push(next, Answer::Fixed(otherwise));
    push(X32, Answer::Fixed(Verdict::Kill));
    ranges
}

/// Whether a program returns the same for both, whatever the arguments.
fn same_action(one: &Answer<'_>, other: &Answer<'_>, said: fn(Verdict) -> Verdict) -> bool {
    match (one, other) {
        (Answer::Fixed(one), Answer::Fixed(other)) => said(*one).action() == said(*other).action(),
        _ => false,
    }
}

fn tree(ranges: &[Range<'_>], said: fn(Verdict) -> Verdict) -> Vec<Instruction> {
    let (low, high) = ranges.split_at(ranges.len() / 2);
    match (low.first(), high.first()) {
        (_, None) => Vec::new(),
        (None, Some((_, answer))) => leaf(answer, said),
        (Some(_), Some((pivot, _))) => {
            let (low, high) = (tree(low, said), tree(high, said));
            branch(*pivot, low, high)
        }
    }
}

/// Below `pivot` the code of `low`, else that of `high`. A conditional jump reaches 255 instructions; behind a
/// longer `low` an unconditional one takes over.
fn branch(pivot: u32, low: Vec<Instruction>, high: Vec<Instruction>) -> Vec<Instruction> {
    let mut code = match u8::try_from(low.len()) {
        Ok(skip) => vec![jump(JUMP_AT_LEAST, pivot, skip, 0)],
        Err(_) => vec![jump(JUMP_AT_LEAST, pivot, 0, 1), instruction(JUMP, operand(low.len()))],
    };
    code.extend(low);
    code.extend(high);
    code
}

fn leaf(answer: &Answer<'_>, said: fn(Verdict) -> Verdict) -> Vec<Instruction> {
    match answer {
        Answer::Fixed(verdict) => vec![instruction(RETURN, said(*verdict).action())],
        Answer::Ruled(rule) => ruled(rule, said),
    }
}

fn ruled(rule: &Rule<'_>, said: fn(Verdict) -> Verdict) -> Vec<Instruction> {
    let mut code: Vec<Instruction> = rule.cases.iter().flat_map(|one| case(one, said)).collect();
    code.push(instruction(RETURN, said(rule.otherwise).action()));
    code
}

/// Tests each condition; the first that fails jumps behind the return.
fn case(case: &Case<'_>, said: fn(Verdict) -> Verdict) -> Vec<Instruction> {
    let mut code = vec![instruction(RETURN, said(case.then).action())];
    for condition in case.when.iter().rev() {
        let mut test = load(condition);
        // Each condition takes three instructions at most and a call has six arguments, so this fits.
        let skip = u8::try_from(code.len()).unwrap_or(u8::MAX);
        test.push(jump(JUMP_EQUAL, condition.value, 0, skip));
        test.extend(code);
        code = test;
    }
    code
}

/// A half of an argument, the lower one first in memory, under the condition's mask.
fn load(condition: &Condition) -> Vec<Instruction> {
    let half = if condition.upper { 4 } else { 0 };
    let mut code = vec![instruction(LOAD, ARGUMENTS + 8 * u32::from(condition.argument) + half)];
    if condition.mask != u32::MAX {
        code.push(instruction(AND, condition.mask));
    }
    code
}

fn instruction(code: u16, k: u32) -> Instruction {
    Instruction { code, jt: 0, jf: 0, k }
}

fn jump(code: u16, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code, jt, jf, k }
}

/// A jump distance: programs are checked to have at most 4096 instructions.
fn operand(distance: usize) -> u32 {
    u32::try_from(distance).unwrap_or(u32::MAX)
}
