package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestChannelsOfTheOperator(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "discord")
	if err := os.WriteFile(file, []byte("https://discord.com/api/webhooks/1/"+canary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := mustLoad(t, nil, map[string]string{"DISCORD_WEBHOOK_URL_FILE": file, "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/" + canary,
		"TELEGRAM_BOT_TOKEN": "123:" + canary, "TELEGRAM_CHAT_ID": "-1001234567890", "EMAIL_TO": " ops@example.com, ,second@example.com"})
	if c.DiscordURL != "https://discord.com/api/webhooks/1/"+canary || c.SlackURL != "https://hooks.slack.com/services/"+canary || c.TelegramToken != "123:"+canary ||
		c.TelegramChat != "-1001234567890" || c.TelegramBase != "https://api.telegram.org" || !slices.Equal(c.EmailTo, []string{"ops@example.com", "second@example.com"}) {
		t.Errorf("%+v", c)
	}
	if text := fmt.Sprintf("%+v", c); strings.Contains(text, canary) {
		t.Errorf("printed: %s", text)
	}
	for _, bad := range []struct {
		environment map[string]string
		want        string
	}{
		{map[string]string{"SLACK_WEBHOOK_URL": canary}, "SLACK_WEBHOOK_URL: "},
		{map[string]string{"DISCORD_WEBHOOK_URL": "ftp://discord.com/" + canary}, "DISCORD_WEBHOOK_URL: "},
		{map[string]string{"TELEGRAM_BOT_TOKEN": "1:" + canary}, "TELEGRAM_CHAT_ID: required"},
		{map[string]string{"TELEGRAM_CHAT_ID": "@channel"}, "TELEGRAM_BOT_TOKEN: required"},
		{map[string]string{"TELEGRAM_BOT_TOKEN": canary, "TELEGRAM_CHAT_ID": "1"}, "TELEGRAM_BOT_TOKEN: expected"},
		{map[string]string{"TELEGRAM_BOT_TOKEN": "1:" + canary, "TELEGRAM_CHAT_ID": canary + " "}, "TELEGRAM_CHAT_ID: expected"},
		{map[string]string{"TELEGRAM_API_BASE": canary}, "TELEGRAM_API_BASE: "},
		{map[string]string{"EMAIL_TO": "ops@example.com,Ops <" + canary + "@example.com>"}, "EMAIL_TO: "},
	} {
		if got := problems(t, nil, bad.environment); len(got) != 1 || !strings.HasPrefix(got[0], bad.want) || strings.Contains(got[0], canary) {
			t.Errorf("%v: %q", bad.want, got)
		}
	}
}
