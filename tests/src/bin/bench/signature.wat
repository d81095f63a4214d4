;; A Proxy-Wasm filter that has the host check one signature, always the same, and reads and writes the headers that a
;; filter for tokens must: what new tokens cost at least where a module asks the host.
;; `ARGUMENTS` and `SIZE` are put in by the benchmark: the message for `verify_signature`.
(module
  (import "env" "proxy_get_header_map_pairs" (func $headers (param i32 i32 i32) (result i32)))
  (import "env" "proxy_call_foreign_function"
    (func $call (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_remove_header_map_value" (func $remove (param i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value"
    (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 16) "verify_signature")
  (data (i32.const 32) "authorization")
  (data (i32.const 48) "x-rescind-subject")
  (data (i32.const 80) "user-0001")
  (data (i32.const 1024) "ARGUMENTS")
  (func (export "proxy_abi_version_0_2_1"))
  ;; Nothing is needed for longer than until the next call.
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 65536))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_delete") (param i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $headers (i32.const 0) (i32.const 8) (i32.const 12)))
    ;; Not 0 is an error, and 08 01 the answer "good"; anything else stops the request.
    (if (i32.or
          (call $call (i32.const 16) (i32.const 16) (i32.const 1024) (i32.const SIZE) (i32.const 8) (i32.const 12))
          (i32.ne (i32.load16_u (i32.load (i32.const 8))) (i32.const 0x0108)))
      (then (return (i32.const 1))))
    (drop (call $remove (i32.const 0) (i32.const 32) (i32.const 13)))
    (drop (call $add (i32.const 0) (i32.const 48) (i32.const 17) (i32.const 80) (i32.const 9)))
    (i32.const 0)))
