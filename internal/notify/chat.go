package notify

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// chatBody is a message as a chat takes it. plain is what text of others went through on its way into text.
// Sources: docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, discord.com/developers/docs/resources/webhook,
// core.telegram.org/bots/api#sendmessage.
func chatBody(format, chat, text string) ([]byte, error) {
	switch format {
	case formatSlack:
		return json.Marshal(struct {
			Text   string `json:"text"`
			Markup bool   `json:"mrkdwn"`
			Links  bool   `json:"unfurl_links"`
			Media  bool   `json:"unfurl_media"`
		}{Text: text})
	case formatDiscord:
		const noEmbeds = 1 << 2
		type mentions struct {
			Parse []string `json:"parse"`
		}
		return json.Marshal(struct {
			Content  string   `json:"content"`
			Mentions mentions `json:"allowed_mentions"`
			Flags    int      `json:"flags"`
		}{cut(text, 2000), mentions{[]string{}}, noEmbeds})
	case formatTelegram:
		type preview struct {
			Off bool `json:"is_disabled"`
		}
		return json.Marshal(struct {
			Chat    string  `json:"chat_id"`
			Text    string  `json:"text"`
			Preview preview `json:"link_preview_options"`
		}{chat, cut(text, 4096), preview{true}})
	}
	return nil, fmt.Errorf("no chat speaks %q", format)
}

// plainFor makes text of others harmless in a chat: it pings nobody, leads nowhere and marks nothing up.
func plainFor(format string) func(string) string {
	switch format {
	case formatDiscord:
		return discordMarkup.Replace
	case formatSlack:
		return func(s string) string { return slackMarkup.Replace(unlinked(s)) }
	case formatTelegram:
		return unlinked
	}
	return func(s string) string { return s }
}

var (
	// Discord shows what stands behind a backslash as it is, so nothing is lost for the reader.
	discordMarkup = strings.NewReplacer(pairs(`\*_~`+"`"+`|<>#[]():@/-`, `\`)...)
	// Slack's control characters. Source: docs.slack.dev/messaging/formatting-message-text#escaping
	slackMarkup = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
)

// pairs puts a prefix before each character.
func pairs(characters, prefix string) (all []string) {
	for _, c := range characters {
		all = append(all, string(c), prefix+string(c))
	}
	return all
}

// linkMarks puts a word joiner behind what begins or holds together an address, a name or a command: nobody sees it, and it is
// part of none.
var linkMarks = strings.NewReplacer("@", "@\u2060", "#", "#\u2060", ":", ":\u2060", "/", "/\u2060", ".", ".\u2060")

var emailAddress = regexp.MustCompile(`^[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+$`)

// unlinked breaks what a chat without a way to escape would make a link, a mention or a command of. E-mail addresses stay as
// they are: with one of them a spreadsheet is to be shared, and it must survive being copied.
func unlinked(s string) string {
	words := strings.Split(s, " ")
	for i, w := range words {
		if !emailAddress.MatchString(strings.Trim(w, `()[]"'“”,;:!?.`)) {
			words[i] = linkMarks.Replace(w)
		}
	}
	return strings.Join(words, " ")
}

// line makes one line of a text, without characters that nobody sees but that move others.
func line(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			return ' '
		case unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return strings.Join(strings.Fields(s), " ")
}

// cut bounds a text, in characters.
func cut(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
