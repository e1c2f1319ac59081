{{- /* The configuration of both daemons. It names the files of secrets and holds none. */}}
{{- define "sluice.config" -}}
{{- $handler := .Values.eventHandler }}
{{- $top := dict "timeout" $handler.timeout "batch" $handler.batch "window-size" (default $handler.windowSize (index $handler "window-size")) }}
{{- $_ := set $top "debug" (or $handler.debug .Values.teleport.debug false) }}
{{- if $handler.storageClaim }}
{{- $_ := set $top "storage" $handler.storagePath }}
{{- end }}
{{- range $key, $name := dict "types" "types" "skip-event-types" "skipEventTypes" "skip-session-types" "skipSessionTypes" "start-time" "startTime" "concurrency" "concurrency" }}
{{- if hasKey $handler $name }}
{{- $_ := set $top $key (index $handler $name) }}
{{- end }}
{{- end }}
{{- $teleport := dict "addr" .Values.teleport.address "identity" "/run/secrets/teleport/identity" }}
{{- if .Values.tls.existingCASecretName }}
{{- $_ := set $teleport "web-ca" "/run/secrets/teleport-ca/ca.pem" }}
{{- end }}
{{- $fluentd := dict "url" .Values.fluentd.url "session-url" .Values.fluentd.sessionUrl }}
{{- range $key, $path := dict "ca" "caPath" "cert" "certPath" "key" "keyPath" }}
{{- if index $.Values.fluentd.certificate $path }}
{{- $_ := set $fluentd $key (printf "/run/secrets/fluentd/%s" $key) }}
{{- end }}
{{- end }}
{{- $queue := dict "path" (include "sluice.root" .) }}
{{- $tables := dict "top" $top "teleport" $teleport "fluentd" $fluentd "queue" $queue "fetcher" dict "shipper" dict }}
{{- range $table, $ours := $tables }}
{{- range $key, $value := index $.Values.settings $table }}
{{- if hasKey $ours $key }}
{{- fail (printf "settings.%s.%s is made from other values of this chart, and cannot be given twice" $table $key) }}
{{- end }}
{{- $_ := set $ours $key $value }}
{{- end }}
{{- end }}
{{- include "sluice.toml" $tables.top | trim }}

[teleport]
{{ include "sluice.toml" $tables.teleport | trim }}

[forward.fluentd]
{{ include "sluice.toml" $tables.fluentd | trim }}

[queue]
{{ include "sluice.toml" $tables.queue | trim }}
{{- with include "sluice.toml" $tables.fetcher | trim }}

[fetcher]
{{ . }}
{{- end }}
{{- with include "sluice.toml" $tables.shipper | trim }}

[shipper]
{{ . }}
{{- end }}
{{- if .Values.metrics.enabled }}

[metrics]
fetcher-address = {{ printf "%s:9464" .Values.metrics.address | toJson }}
shipper-address = {{ printf "%s:9465" .Values.metrics.address | toJson }}
{{- end }}
{{- end }}
