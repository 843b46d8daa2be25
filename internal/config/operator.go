package config

import (
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

var (
	botToken = regexp.MustCompile(`^[0-9]+:[A-Za-z0-9_-]+$`)
	chatID   = regexp.MustCompile(`^(-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{3,63})$`)
)

// checkOperator lists what is wrong with the operator's channels. Addresses and tokens are secrets and not repeated.
func (c *Config) checkOperator() (problems []string) {
	refuse := func(bad bool, problem string) {
		if bad {
			problems = append(problems, problem)
		}
	}
	refuse(c.SlackURL != "" && !c.isHook(string(c.SlackURL)), "SLACK_WEBHOOK_URL: expected the address of an incoming webhook, https://hooks.slack.com/services/…")
	refuse(c.DiscordURL != "" && !c.isHook(string(c.DiscordURL)), "DISCORD_WEBHOOK_URL: expected the address of a webhook, https://discord.com/api/webhooks/…")
	refuse(c.TelegramToken != "" && !botToken.MatchString(string(c.TelegramToken)), "TELEGRAM_BOT_TOKEN: expected the token of a bot, 123456:ABC…")
	refuse(c.TelegramToken != "" && c.TelegramChat == "", "TELEGRAM_CHAT_ID: required by TELEGRAM_BOT_TOKEN: where the bot writes")
	refuse(c.TelegramChat != "" && c.TelegramToken == "", "TELEGRAM_BOT_TOKEN: required by TELEGRAM_CHAT_ID")
	refuse(c.TelegramChat != "" && !chatID.MatchString(c.TelegramChat), "TELEGRAM_CHAT_ID: expected a number such as -1001234567890, or the @name of a public channel")
	refuse(!c.isAddress(c.TelegramBase), "TELEGRAM_API_BASE: expected an address such as https://api.telegram.org")
	c.EmailTo = slices.DeleteFunc(c.EmailTo, func(a string) bool { return strings.TrimSpace(a) == "" })
	for i, address := range c.EmailTo {
		c.EmailTo[i] = strings.TrimSpace(address)
		a, err := mail.ParseAddress(c.EmailTo[i])
		if err != nil || a.Address != c.EmailTo[i] {
			refuse(true, "EMAIL_TO: expected plain addresses of the form name@example.com, separated by commas")
			break
		}
	}
	return problems
}

// isHook reports whether messages can be sent to an address; unlike a base it may have a query.
func (c *Config) isHook(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && u.User == nil && u.Fragment == "" && (u.Scheme == "https" || u.Scheme == "http" && !c.Production())
}
