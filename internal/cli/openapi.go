package cli

import (
	"bytes"
	"encoding/json"

	"github.com/spf13/cobra"

	"turkey/internal/audit"
	"turkey/internal/auth"
	"turkey/internal/doctor"
	"turkey/internal/kpi"
	"turkey/internal/notify"
	"turkey/internal/server"
	"turkey/internal/vault"
)

func (p *program) openapiCommand() *cobra.Command {
	return &cobra.Command{Use: "openapi", Short: "Print the OpenAPI document", Example: "  turkey openapi >openapi.json", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			doc, err := openAPI()
			if err != nil {
				return err
			}
			_, err = p.out.Write(doc)
			return err
		}}
}

// openAPI describes every route of the server; no domain needs to run for that.
func openAPI() ([]byte, error) {
	srv := server.New(server.Config{Version: "1.0.0"})
	users := &auth.Service{}
	users.Mount(srv.API())
	users.MountAdmin(srv.API())
	(&audit.Keeper{}).Mount(srv.API(), users.Operators(srv.API()))
	(&doctor.Doctor{}).Mount(srv.API(), users.Operators(srv.API()))
	(&vault.Service{}).Mount(srv.API(), users.Bearer(srv.API()))
	(&kpi.Service{}).Mount(srv.API(), users.Bearer(srv.API()))
	(&notify.Service{}).Mount(srv.API(), users.Bearer(srv.API()))
	doc, err := srv.OpenAPI()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, doc, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}
