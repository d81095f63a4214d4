//! The host's functions for headers, bodies, properties and replies.

use super::Behaviour;
use super::abi::{BAD_ARGUMENT, INTERNAL_FAILURE, NOT_FOUND, OK, enter};
use super::exchange::Exchange;
use super::memory::{Answer, Ctx, allocate, give, misuse, parse, place, read, serialize, wide};

const REQUEST: u32 = 0;
const CALLOUT_RESPONSE: u32 = 6;

pub(super) fn get_buffer_bytes(
    mut ctx: Ctx<'_>,
    buffer: u32,
    start: u32,
    max: u32,
    data: u32,
    size: u32,
) -> Answer {
    enter!(ctx, "proxy_get_buffer_bytes");
    let apisix = ctx.data().is(Behaviour::Apisix);
    let bytes = match buffer {
        4 if ctx.data().phase.is_answer() => ctx.data().answer.1.clone(),
        7 if apisix => {
            let whole = ctx.data().configuration.clone();
            return give(&mut ctx, &whole, data, size);
        }
        7 => ctx.data().configuration.clone(),
        4 if ctx.data().is(Behaviour::Kong) => {
            return Err(misuse("the body of a callout's answer outside of its callback"));
        }
        _ => return Ok(BAD_ARGUMENT),
    };
    if bytes.is_empty() {
        return Ok(if ctx.data().is(Behaviour::Envoy) { OK } else { NOT_FOUND });
    }
    let start = wide(start).min(bytes.len());
    let end = start.saturating_add(wide(max)).min(bytes.len());
    give(&mut ctx, &bytes[start..end], data, size)
}

pub(super) fn get_header_map_pairs(mut ctx: Ctx<'_>, map: u32, data: u32, size: u32) -> Answer {
    enter!(ctx, "proxy_get_header_map_pairs");
    if lacks_host(&mut ctx, map) {
        return Err(misuse("the whole header map of a request without Host"));
    }
    match ctx.data_mut().map(map) {
        Some(headers) => give(&mut ctx, &serialize(&headers), data, size),
        None => Ok(BAD_ARGUMENT),
    }
}

pub(super) fn get_header_map_value(
    mut ctx: Ctx<'_>,
    map: u32,
    name: u32,
    name_size: u32,
    data: u32,
    size: u32,
) -> Answer {
    enter!(ctx, "proxy_get_header_map_value");
    let name = read(&ctx, (name, name_size));
    if name == b":authority" && lacks_host(&mut ctx, map) {
        return Err(misuse("`:authority` of a request without Host"));
    }
    let Some(headers) = ctx.data_mut().map(map) else { return Ok(BAD_ARGUMENT) };
    // The first one only, whatever the host.
    match headers.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
        Some((_, value)) if ctx.data().is(Behaviour::Kong) => {
            let at = allocate(&mut ctx, value.len())?;
            if at == 0 {
                return Ok(INTERNAL_FAILURE);
            }
            place(&mut ctx, at, &value, data, size);
            Ok(OK)
        }
        Some((_, value)) => give(&mut ctx, &value, data, size),
        None => Ok(NOT_FOUND),
    }
}

pub(super) fn remove_header(mut ctx: Ctx<'_>, map: u32, name: u32, name_size: u32) -> Answer {
    enter!(ctx, "proxy_remove_header_map_value");
    let name = read(&ctx, (name, name_size));
    let Some(exchange) = ctx.data_mut().exchange().filter(|_| map == REQUEST) else {
        return Ok(BAD_ARGUMENT);
    };
    exchange.remove(&name);
    Ok(OK)
}

pub(super) fn replace_header(
    ctx: Ctx<'_>,
    map: u32,
    name: u32,
    name_size: u32,
    value: u32,
    value_size: u32,
) -> Answer {
    let written = [(name, name_size), (value, value_size)];
    write_header(ctx, "proxy_replace_header_map_value", map, written, Exchange::replace)
}

pub(super) fn add_header(
    ctx: Ctx<'_>,
    map: u32,
    name: u32,
    name_size: u32,
    value: u32,
    value_size: u32,
) -> Answer {
    let written = [(name, name_size), (value, value_size)];
    write_header(ctx, "proxy_add_header_map_value", map, written, Exchange::add)
}

fn write_header(
    mut ctx: Ctx<'_>,
    function: &'static str,
    map: u32,
    [name, value]: [(u32, u32); 2],
    write: impl FnOnce(&mut Exchange, &[u8], &[u8]),
) -> Answer {
    enter!(ctx, function);
    let (name, value) = (read(&ctx, name), read(&ctx, value));
    let Some(exchange) = ctx.data_mut().exchange().filter(|_| map == REQUEST) else {
        return Ok(BAD_ARGUMENT);
    };
    write(exchange, &name, &value);
    Ok(OK)
}

pub(super) fn get_property(
    mut ctx: Ctx<'_>,
    path: u32,
    path_size: u32,
    data: u32,
    size: u32,
) -> Answer {
    enter!(ctx, "proxy_get_property");
    let path = read(&ctx, (path, path_size));
    let behaviour = ctx.data().behaviour;
    let Some(exchange) = ctx.data_mut().exchange() else {
        return if behaviour == Behaviour::Kong {
            Err(misuse("a property outside of a request"))
        } else {
            Ok(NOT_FOUND)
        };
    };
    let value = match (behaviour, path.as_slice()) {
        (Behaviour::Envoy | Behaviour::Kong, b"request\0path") => exchange.path().to_vec(),
        (Behaviour::Kong | Behaviour::Apisix, path) if path.starts_with(b"connection") => {
            return Err(misuse("a property of the connection: an error in the log for each"));
        }
        _ => return Ok(NOT_FOUND),
    };
    give(&mut ctx, &value, data, size)
}

pub(super) fn set_property(mut ctx: Ctx<'_>, path: u32, path_size: u32, _: u32, _: u32) -> Answer {
    enter!(ctx, "proxy_set_property");
    // The nginx hosts set variables that the server has, and ours are none.
    match ctx.data().behaviour {
        Behaviour::Envoy => Ok(OK),
        Behaviour::Kong => Ok(NOT_FOUND),
        Behaviour::Apisix => {
            let path = String::from_utf8_lossy(&read(&ctx, (path, path_size))).into_owned();
            Err(misuse(format_args!("property `{path}`: an error in the log at each request")))
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "the ABI's function")]
pub(super) fn send_local_response(
    mut ctx: Ctx<'_>,
    status: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    headers: u32,
    headers_size: u32,
    _: i32,
) -> Answer {
    enter!(ctx, "proxy_send_local_response");
    let kong = ctx.data().is(Behaviour::Kong);
    let headers = parse(&read(&ctx, (headers, headers_size)));
    let Some(exchange) = ctx.data_mut().exchange() else { return Ok(BAD_ARGUMENT) };
    if kong && exchange.answered.is_some() {
        return Err(misuse("a second reply"));
    }
    exchange.answered = Some((u16::try_from(status).expect("a status"), headers));
    Ok(OK)
}

pub(super) fn continue_stream(mut ctx: Ctx<'_>, _: u32) -> Answer {
    enter!(ctx, "proxy_continue_stream");
    let Some(exchange) = ctx.data_mut().exchange() else { return Ok(BAD_ARGUMENT) };
    exchange.continued = true;
    Ok(OK)
}

fn lacks_host(ctx: &mut Ctx<'_>, map: u32) -> bool {
    map == REQUEST
        && ctx.data().is(Behaviour::Apisix)
        && ctx.data_mut().exchange().is_some_and(|exchange| !exchange.has(b"host"))
}

/// Which map is meant, for [`super::abi::State::map`].
pub(super) const fn is_request(map: u32) -> Option<bool> {
    match map {
        REQUEST => Some(true),
        CALLOUT_RESPONSE => Some(false),
        _ => None,
    }
}
