// Package sandbox is a small server that behaves like the providers the connectors speak to: Google's token endpoint, Drive,
// Sheets and the GA4 Data API, the ad accounts of Meta's Graph API, Shopify's shops, and APIs that users name themselves.
// `make run`, the demos and the tests use it in place of the real ones, over HTTP.
//
// Invariants:
//   - It checks what Google checks: the assertion's signature, issuer, audience and times, the token's expiry and scopes, the
//     sharing of each file and property, the grid's bounds, the quota per minute. What it refuses it refuses in Google's shapes.
//   - Of Meta it checks version, token, permission, account, fields and days, in the Graph API's shapes. It refuses a token in an
//     address, and its paging.next carries one: who follows that gets no further.
//   - Of Shopify it checks the token of the shop, the scope, the fields, the one form of ShopifyQL that the connector uses and
//     the cost of queries; refresh tokens rotate, and a spent one works again until its successor is used.
//   - Of an API that an http_json credential names it checks the sign-in, the days and the cursor; its rows come newest first.
//   - It is set up only through /_sandbox, which stands for the providers' consoles and for people at their browsers. Those
//     routes have no authentication: the sandbox holds nothing real and belongs on loopback.
//   - It keeps public keys and hashes of secrets, never a private key or a secret itself. Access tokens of Google live in memory.
//   - Figures depend on property and day alone, so they are the same on every machine; /_sandbox can correct a day.
//   - With Config.File every change is on disk, atomically, before it is answered.
//
// Known differences: formulas are kept but only literals are computed; values are read and written by rows; revoking a
// service account also ends its access tokens, which Google leaves to expire; insights without time_increment have no actions.
package sandbox
