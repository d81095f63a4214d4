//! Which MCP requests a route is for.

use super::Check;
use crate::config::raw::RawMcp;
use crate::config::shape::join;
use crate::mcp::{MAX_NAME_BYTES, NAMING_METHODS, method_name};
use crate::route::mcp::{McpMatch, TextMatch};

impl Check {
    pub(super) fn mcp(&mut self, raw: RawMcp, path: &str) -> Option<McpMatch> {
        let RawMcp { methods, names, older_versions, verify_body } = raw;
        let verify_body = verify_body == Some(true);
        if older_versions == Some(true) {
            if methods.is_some() || names.is_some() {
                let problem = "requests of older versions say neither method nor name";
                let remedy =
                    "remove `methods` and `names`, or give older versions a route of their own";
                return self.wrong(&join(path, "older_versions"), problem, remedy);
            }
            if verify_body {
                let problem = "requests of older versions have no headers to compare the body with";
                let remedy = "remove it, and let this route ask for all that any tool needs";
                return self.wrong(&join(path, "verify_body"), problem, remedy);
            }
            return Some(McpMatch::OlderVersions);
        }
        let is_method = |text: &str| method_name(text.as_bytes()).is_ok();
        let methods = self.texts(methods, &join(path, "methods"), "a method", is_method);
        let is_name = |text: &str| !text.is_empty() && text.len() <= MAX_NAME_BYTES;
        let names = self.texts(names, &join(path, "names"), "a name", is_name);
        let (methods, names) = (methods?, names?);
        let can_name =
            |wanted: &TextMatch| NAMING_METHODS.iter().any(|method| wanted.matches(method));
        if !names.is_empty() && !methods.is_empty() && !methods.iter().any(can_name) {
            let problem = "none of `methods` names anything";
            let remedy =
                "remove it: only `tools/call`, `prompts/get` and `resources/read` have names";
            return self.wrong(&join(path, "names"), problem, remedy);
        }
        Some(McpMatch::Says { methods, names, verify_body })
    }

    fn texts(
        &mut self,
        texts: Option<Vec<String>>,
        path: &str,
        what: &str,
        is_text: impl Fn(&str) -> bool,
    ) -> Option<Vec<TextMatch>> {
        let Some(texts) = texts else { return Some(Vec::new()) };
        if texts.is_empty() {
            return self.wrong(path, "is empty", "remove it to mean all");
        }
        let text = |(index, text): (usize, String)| {
            let (start, is_prefix) = match text.strip_suffix('*') {
                Some(start) => (start.to_owned(), true),
                None => (text, false),
            };
            if start.contains('*') || !is_text(&start) {
                let problem = format!("is not {what}, nor the beginning of one with `*` after it");
                let remedy = "write it as the protocol has it; a `*` stands at the end only";
                return self.wrong(&format!("{path}[{index}]"), problem, remedy);
            }
            Some(if is_prefix { TextMatch::Prefix(start) } else { TextMatch::Exact(start) })
        };
        let texts: Vec<Option<TextMatch>> = texts.into_iter().enumerate().map(text).collect();
        texts.into_iter().collect()
    }
}
