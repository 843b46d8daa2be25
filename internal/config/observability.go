package config

import (
	"net"
	"net/url"
	"strings"
)

// TracesURL is where spans go, "" if nowhere: what is said of traces alone, else the common address of the collector.
func (c *Config) TracesURL() string {
	if c.OTelDisabled || c.OTLPTraces == "" && c.OTLPEndpoint == "" {
		return ""
	}
	if c.OTLPTraces != "" {
		return string(c.OTLPTraces)
	}
	return strings.TrimRight(string(c.OTLPEndpoint), "/") + "/v1/traces"
}

// checkObservability lists what is wrong with the listener of metrics and with the collector's addresses.
func (c *Config) checkObservability() (problems []string) {
	if c.MetricsAddr != "" {
		if _, port, err := net.SplitHostPort(c.MetricsAddr); err != nil || port == "" {
			problems = append(problems, "METRICS_ADDR: expected an address such as 127.0.0.1:9090")
		}
	}
	for name, value := range map[string]Secret{"OTEL_EXPORTER_OTLP_ENDPOINT": c.OTLPEndpoint, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": c.OTLPTraces} {
		if value == "" {
			continue
		}
		if u, err := url.Parse(string(value)); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			problems = append(problems, name+": expected an address such as http://localhost:4318")
		}
	}
	return problems
}
