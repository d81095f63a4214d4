//! What the module imports and exports, beside what every host has and calls.
//!
//! A host that lacks an import, or has it with another signature, does not load the module, and APISIX then goes on
//! **without** it. Kong calls some exports without looking whether they are there. The tables were read from the
//! sources of Envoy 1.40 (proxy-wasm-cpp-host), Kong's ngx_wasm_module and APISIX's wasm-nginx-module 0.7.0.

use std::collections::BTreeMap;
use std::path::Path;

use rescind_e2e::site::Plan;
use rescind_e2e::tools;
use wasmparser::{ExternalKind, FuncType, Parser, Payload, TypeRef, ValType};

use crate::host::{Behaviour, Gateway};
use crate::installation::Installation;

/// Parameters and results: `i` for 32 bits, `I` for 64, `?` for what no host passes.
type Signature<'a> = (&'a str, &'a str);

/// Host functions that every supported host has with this signature. Two are missing on purpose: with
/// `proxy_get_log_level` or `proxy_get_metric` APISIX does not load a module, and Kong none with the first.
const PROXY_ABI: &[(&str, Signature<'_>)] = &[
    ("proxy_add_header_map_value", ("iiiii", "i")),
    ("proxy_call_foreign_function", ("iiiiii", "i")),
    ("proxy_continue_stream", ("i", "i")),
    ("proxy_define_metric", ("iiii", "i")),
    ("proxy_get_buffer_bytes", ("iiiii", "i")),
    ("proxy_get_header_map_pairs", ("iii", "i")),
    ("proxy_get_header_map_value", ("iiiii", "i")),
    ("proxy_get_property", ("iiii", "i")),
    ("proxy_get_shared_data", ("iiiii", "i")),
    ("proxy_http_call", ("iiiiiiiiii", "i")),
    ("proxy_increment_metric", ("iI", "i")),
    ("proxy_log", ("iii", "i")),
    ("proxy_record_metric", ("iI", "i")),
    ("proxy_remove_header_map_value", ("iii", "i")),
    ("proxy_replace_header_map_value", ("iiiii", "i")),
    ("proxy_send_local_response", ("iiiiiiii", "i")),
    ("proxy_set_effective_context", ("i", "i")),
    ("proxy_set_property", ("iiii", "i")),
    ("proxy_set_shared_data", ("iiiii", "i")),
    ("proxy_set_tick_period_milliseconds", ("i", "i")),
];

/// What Rust's standard library may import from WASI; all hosts have these.
const WASI: &[(&str, Signature<'_>)] = &[
    ("clock_time_get", ("iIi", "i")),
    ("environ_get", ("ii", "i")),
    ("environ_sizes_get", ("ii", "i")),
    ("fd_write", ("iiii", "i")),
    ("proc_exit", ("i", "")),
    ("random_get", ("ii", "i")),
];

/// Callbacks that some host calls without looking for them first, or does not load a module without: all of them on
/// Kong, and `proxy_on_done`, whose absence APISIX reports at every request. And `proxy_on_request_trailers`, by which
/// Envoy says that a body is whole.
const CALLED: &[(&str, Signature<'_>)] = &[
    ("_initialize", ("", "")),
    ("proxy_abi_version_0_2_1", ("", "")),
    ("proxy_on_configure", ("ii", "i")),
    ("proxy_on_context_create", ("ii", "")),
    ("proxy_on_delete", ("i", "")),
    ("proxy_on_done", ("i", "i")),
    ("proxy_on_http_call_response", ("iiiii", "")),
    ("proxy_on_log", ("i", "")),
    ("proxy_on_memory_allocate", ("i", "i")),
    ("proxy_on_request_body", ("iii", "i")),
    ("proxy_on_request_headers", ("iii", "i")),
    ("proxy_on_request_trailers", ("ii", "i")),
    ("proxy_on_response_body", ("iii", "i")),
    ("proxy_on_response_headers", ("iii", "i")),
    ("proxy_on_tick", ("i", "")),
    ("proxy_on_vm_start", ("ii", "i")),
];

/// Those of them that Envoy need not make.
const NOT_FOR_ENVOY: [&str; 4] =
    ["proxy_on_done", "proxy_on_log", "proxy_on_response_body", "proxy_on_response_headers"];

#[test]
fn the_module_imports_only_what_every_host_provides() {
    let interface = Interface::read(&tools::wasm());
    assert!(interface.imports.len() > 5, "{:?}", interface.imports);
    for (module, name, signature) in &interface.imports {
        let known = match module.as_str() {
            "env" => PROXY_ABI,
            "wasi_snapshot_preview1" => WASI,
            other => panic!("imports from {other}"),
        };
        let known = known.iter().find(|(known, _)| known == name);
        let (_, known) = known.unwrap_or_else(|| panic!("{name} is not everywhere"));
        assert_eq!((&*signature.0, &*signature.1), *known, "{name}");
    }
}

#[test]
fn the_module_exports_every_callback_that_some_host_relies_on_and_no_other() {
    assert_eq!(Interface::read(&tools::wasm()).exports(), CALLED);
}

#[test]
fn the_module_for_envoy_alone_lacks_the_callbacks_that_envoy_need_not_make() {
    let expected = CALLED.iter().filter(|(name, _)| !NOT_FOR_ENVOY.contains(name));
    let expected: Vec<_> = expected.copied().collect();
    assert_eq!(Interface::read(&tools::trapping_wasm()).exports(), expected);
}

#[test]
fn the_module_for_envoy_alone_refuses_its_configuration_elsewhere() {
    let site = Installation::start();
    for behaviour in Behaviour::ALL {
        let module = tools::trapping_wasm();
        let mut gateway = Gateway::with_module(&module, behaviour, 1, &site.clusters());
        let [worker] = gateway.workers.as_mut_slice() else { panic!("one worker") };
        let configuration = site.configuration(behaviour, &Plan::default());
        assert_eq!(worker.configure(&configuration), behaviour == Behaviour::Envoy);
        let told = worker.log().iter().any(|line| line.contains("for Envoy and Istio alone"));
        assert_eq!(told, behaviour != Behaviour::Envoy, "{:?}", worker.log());
    }
}

/// A function's parameters and results.
type Found = (String, String);

#[derive(Debug, Default)]
struct Interface {
    imports: Vec<(String, String, Found)>,
    exports: BTreeMap<String, Found>,
}

impl Interface {
    fn exports(&self) -> Vec<(&str, Signature<'_>)> {
        let exports = self.exports.iter();
        exports
            .map(|(name, (parameters, results))| (&**name, (&**parameters, &**results)))
            .collect()
    }

    fn read(module: &Path) -> Self {
        let module = std::fs::read(module).unwrap();
        let (mut types, mut functions, mut found) = (Vec::new(), Vec::new(), Self::default());
        for payload in Parser::new(0).parse_all(&module) {
            match payload.unwrap() {
                Payload::TypeSection(section) => {
                    types.extend(section.into_iter_err_on_gc_types().map(|ty| shown(&ty.unwrap())));
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import.unwrap();
                        let TypeRef::Func(index) = import.ty else { panic!("{import:?}") };
                        functions.push(index);
                        let signature = types[usize::try_from(index).unwrap()].clone();
                        let (module, name) = (import.module.to_owned(), import.name.to_owned());
                        found.imports.push((module, name, signature));
                    }
                }
                Payload::FunctionSection(section) => {
                    functions.extend(section.into_iter().map(Result::unwrap));
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.unwrap();
                        if export.kind == ExternalKind::Func {
                            let function = functions[usize::try_from(export.index).unwrap()];
                            let signature = types[usize::try_from(function).unwrap()].clone();
                            found.exports.insert(export.name.to_owned(), signature);
                        }
                    }
                }
                _ => {}
            }
        }
        found
    }
}

fn shown(function: &FuncType) -> Found {
    let letters = |types: &[ValType]| {
        let letter = |ty: &ValType| match ty {
            ValType::I32 => 'i',
            ValType::I64 => 'I',
            _ => '?',
        };
        types.iter().map(letter).collect()
    };
    (letters(function.params()), letters(function.results()))
}
