package notify

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"turkey/internal/fault"
)

// The formats of a webhook: what goes to its address, and how.
const (
	formatTurkey   = "turkey" // JSON, signed
	formatSlack    = "slack"
	formatDiscord  = "discord"
	formatTelegram = "telegram"
)

// formats in the order in which they are shown.
var formats = []string{formatTurkey, formatSlack, formatDiscord, formatTelegram}

// Formats are what users' webhooks can be sent in.
func Formats() []string { return slices.Clone(formats) }

// draft is a webhook that a user asks for.
type draft struct {
	format string // "" is turkey
	url    string
	chat   string // of Telegram alone: where the bot writes
	events []string
}

var (
	// chatID is a number, of groups a negative one, or the name of a public channel.
	chatID = regexp.MustCompile(`^(-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{3,63})$`)
	// botPath is the one method of the Bot API that is called. Source: core.telegram.org/bots/api#making-requests
	botPath = regexp.MustCompile(`^(?:/.*)?/bot([0-9]+:[A-Za-z0-9_-]+)/sendMessage$`)
)

// check completes a draft, says what is wrong with it, and returns the host of its address.
func (s *Service) check(d *draft) (host string, err error) {
	bad := func(why string) (string, error) { return "", fault.New(fault.Invalid, "VALIDATION_ERROR", why) }
	if d.format == "" {
		d.format = formatTurkey
	}
	if !slices.Contains(formats, d.format) {
		return bad("format must be one of " + strings.Join(formats, ", "))
	}
	if host, err = s.checkURL(d.url); err != nil {
		return "", err
	}
	if err := checkEvents(d.events); err != nil {
		return "", err
	}
	u, err := url.Parse(d.url)
	if err != nil {
		return bad("url must be an absolute address")
	}
	switch d.format {
	case formatTelegram:
		if !botPath.MatchString(u.EscapedPath()) || u.RawQuery != "" {
			return bad("url must be https://api.telegram.org/bot<token>/sendMessage, with the token of your bot")
		}
		if d.chat == "" {
			return "", fault.New(fault.Invalid, "MISSING_FIELDS", "chatId is required of format telegram")
		}
		if !chatID.MatchString(d.chat) {
			return bad("chatId must be a number such as -1001234567890, or the @name of a public channel")
		}
	case formatSlack, formatDiscord:
		if strings.Trim(u.Path, "/") == "" && u.RawQuery == "" {
			return bad("url must be the whole address of the incoming webhook, as the chat shows it")
		}
	}
	if d.format != formatTelegram && d.chat != "" {
		return bad("chatId is for format telegram only")
	}
	return host, nil
}

// shown is what everybody may see of an address. That of a chat is as good as a password: its host and last four characters
// tell it from others. It is no address that could be called, not even by a program that takes it for one.
func (d draft) shown(host string) string {
	if d.format == formatTurkey {
		return d.url
	}
	u, err := url.Parse(d.url)
	if err != nil {
		return host + "/…"
	}
	secret := strings.Trim(u.EscapedPath(), "/")
	if token := botPath.FindStringSubmatch(u.EscapedPath()); d.format == formatTelegram && token != nil {
		secret = token[1]
	}
	const least = 16 // of a shorter one four characters would tell too much
	if len(secret) < least {
		return host + "/…"
	}
	return host + "/…" + secret[len(secret)-4:]
}
