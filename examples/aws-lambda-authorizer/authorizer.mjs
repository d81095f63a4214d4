// A Lambda authorizer for API Gateway's HTTP APIs (payload format 2.0, simple responses): asks the
// companion by the OpenID AuthZEN Authorization API. Node 22, no packages.
//
// RESCIND_URL is the companion's `[decisions]`, RESCIND_TOKEN the token of a caller with
// `form = "authzen"` (from Secrets Manager or SSM, not written into the template).

const TIMEOUT_MS = 2000;

// The token of the one Authorization header; API Gateway joins several with commas, and no token
// has one.
function credentials(headers) {
  const [, scheme, token] = /^(bearer|dpop) +([^ ,]+)$/i.exec(headers.authorization ?? "") ?? [];
  if (!token) return {};
  return scheme.toLowerCase() === "dpop" ? { access_token: token, dpop: headers.dpop ?? "" } : { access_token: token };
}

export function question(event) {
  const { http, domainName, requestId } = event.requestContext;
  const headers = event.headers ?? {};
  // Left out only where there is none: whoever leaves it out says that no page calls.
  const page = headers.origin === undefined ? {} : { origin: headers.origin };
  const query = event.rawQueryString ? `?${event.rawQueryString}` : "";
  return {
    subject: { type: "access_token", id: requestId },
    action: { name: http.method },
    resource: { type: "route", id: event.rawPath + query, properties: { host: domainName } },
    context: { ...credentials(headers), ...page },
  };
}

export async function handler(event) {
  const answer = await fetch(`${process.env.RESCIND_URL}/access/v1/evaluation`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${process.env.RESCIND_TOKEN}`,
      "content-type": "application/json",
      "x-request-id": event.requestContext.requestId,
    },
    body: JSON.stringify(question(event)),
    signal: AbortSignal.timeout(TIMEOUT_MS),
    redirect: "error",
  });
  // An error is a 500 for the client: nothing passes that was not decided.
  if (answer.status !== 200) throw new Error(`the companion answers ${answer.status}`);
  const { decision, context = {} } = await answer.json();
  if (decision === true) {
    const { subject = "", issuer = "" } = context;
    return { isAuthorized: true, context: { subject, issuer } };
  }
  console.log(JSON.stringify({ refused: context.reason, signal: context.signal }));
  // API Gateway knows two refusals: this one is 401, `isAuthorized: false` is 403.
  if (context.response?.status === 401) throw new Error("Unauthorized");
  return { isAuthorized: false };
}
