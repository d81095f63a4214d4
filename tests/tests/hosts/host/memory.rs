//! What is read from and written to the module's memory, and the ABI's form of headers.

use wasmi::{Caller, Error, Memory, TypedFunc};

use super::Headers;
use super::abi::State;

pub(super) type Ctx<'a> = Caller<'a, State>;

/// A status, or what was misused: the host traps.
pub(super) type Answer = Result<u32, Error>;

pub(super) fn misuse(what: impl std::fmt::Display) -> Error {
    Error::new(format!("misuse of the host: {what}"))
}

fn memory(ctx: &Ctx<'_>) -> Memory {
    ctx.data().memory.expect("memory")
}

pub(super) fn read(ctx: &Ctx<'_>, (at, size): (u32, u32)) -> Vec<u8> {
    let mut bytes = vec![0; wide(size)];
    memory(ctx).read(ctx, wide(at), &mut bytes).expect("in memory");
    bytes
}

pub(super) fn write(ctx: &mut Ctx<'_>, at: u32, bytes: &[u8]) {
    memory(ctx).write(ctx, wide(at), bytes).expect("in memory");
}

/// Has the module allocate memory, as each host does it.
pub(super) fn allocate(ctx: &mut Ctx<'_>, size: usize) -> Answer {
    let function = ctx.get_export("proxy_on_memory_allocate").and_then(|it| it.into_func());
    let function = function.expect("the module exports an allocator");
    let function: TypedFunc<u32, u32> = function.typed(&*ctx).expect("of this type");
    function.call(ctx, narrow(size))
}

/// Returns bytes, in memory that the module allocates; none is allocated for no bytes.
pub(super) fn give(ctx: &mut Ctx<'_>, bytes: &[u8], data: u32, size: u32) -> Answer {
    let at = if bytes.is_empty() { 0 } else { allocate(ctx, bytes.len())? };
    place(ctx, at, bytes, data, size);
    Ok(0)
}

/// Returns bytes in memory that was allocated for them.
pub(super) fn place(ctx: &mut Ctx<'_>, at: u32, bytes: &[u8], data: u32, size: u32) {
    write(ctx, at, bytes);
    write(ctx, data, &at.to_le_bytes());
    write(ctx, size, &narrow(bytes.len()).to_le_bytes());
}

pub(super) fn wide(number: u32) -> usize {
    usize::try_from(number).expect("32 bits fit")
}

pub(super) fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("32 bits")
}

pub(super) fn serialize(headers: &Headers) -> Vec<u8> {
    let mut bytes = narrow(headers.len()).to_le_bytes().to_vec();
    for (name, value) in headers {
        bytes
            .extend([narrow(name.len()).to_le_bytes(), narrow(value.len()).to_le_bytes()].concat());
    }
    for (name, value) in headers {
        bytes.extend([name.as_slice(), &[0], value, &[0]].concat());
    }
    bytes
}

pub(super) fn parse(bytes: &[u8]) -> Headers {
    if bytes.is_empty() {
        return Headers::new();
    }
    let number = |bytes: &[u8]| wide(u32::from_le_bytes(bytes.try_into().expect("four bytes")));
    let count = number(&bytes[..4]);
    let (lengths, mut texts) = bytes[4..].split_at(8 * count);
    let mut take = |size: usize| {
        let (text, rest) = texts.split_at(size);
        texts = &rest[1..];
        text.to_vec()
    };
    let pairs = lengths.chunks(8);
    pairs.map(|pair| (take(number(&pair[..4])), take(number(&pair[4..])))).collect()
}
