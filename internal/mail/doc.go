// Package mail writes the messages a person gets about an account and hands them to whoever delivers them: an SMTP server,
// Mailgun, the log, or the mailbox of a development server. It knows no app, user or database; who asks gives a Data and an
// address, renders with Templates and sends with a Sender.
//
// Invariants:
//   - Whatever is wrong with a template or a setting is said at start, by LoadTemplates and NewSender; a running server only
//     meets trouble with the delivery.
//   - A link and its token exist in Data.Link and Data.Code and in the two bodies, nowhere else: not in a subject, not in an
//     error, not in a log line. The one exception is the sender "log", which exists to print them. No field holds a password.
//   - No header field can hold a control character: such a message is refused before any sender sees it.
//   - What strangers choose reaches a body escaped (HTML) or on one line (text); a user agent is only ever shown as one of
//     the names that device knows, since anybody can make the server mail anybody.
//   - A message is delivered once the other side has said so. What happens to the connection afterwards is no error, for an
//     error means that the message is sent again.
//   - IsPermanent says of an error that trying again cannot help. All others are worth another try.
//   - Every Send ends: dialling and each answer take at most Config.Timeout, all of it at most three times as long.
//   - A password is given to an SMTP server only under TLS with a certificate that holds, or on this machine.
package mail
