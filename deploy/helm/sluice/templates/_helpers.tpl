{{- define "sluice.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "sluice.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- $name := include "sluice.name" . }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- /* A StatefulSet gives its pods a label with its name, 11 characters more. */}}
{{- $full | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "sluice.selectorLabels" -}}
app.kubernetes.io/name: {{ include "sluice.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sluice.labels" -}}
{{ include "sluice.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "sluice.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "sluice.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "sluice.image" -}}
{{ printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) | quote }}
{{- end }}

{{- /* The place of the instance in each container; the image has the folders. */}}
{{- define "sluice.root" -}}
/var/lib/sluice/default
{{- end }}

{{- /* Lines of TOML from a map. JSON's texts, numbers, switches and lists are TOML's, too. */}}
{{- define "sluice.toml" -}}
{{- range $key, $value := . }}
{{- if kindIs "map" $value }}
{{- fail (printf "settings: the value of %s is a table, but must be a text, a number, a switch or a list" $key) }}
{{- end }}
{{- if not (kindIs "invalid" $value) }}
{{ $key }} = {{ $value | toJson }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Texts of a form: a dict with name, value (a text or a list of them), form and must. */}}
{{- define "sluice.form" -}}
{{- range kindIs "slice" .value | ternary .value (list .value) }}
{{- if not (regexMatch $.form .) }}
{{- fail (printf "%s is %s, but must be %s" $.name (quote .) $.must) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* What values.schema.json cannot say in a sentence; it has the types, the ranges and the names. */}}
{{- define "sluice.check" -}}
{{- $values := .Values }}
{{- $certificate := $values.fluentd.certificate }}
{{- $handler := $values.eventHandler }}
{{- if not $values.teleport.address }}
{{- fail "teleport.address is not set: give HOST:PORT of Teleport's proxy or Auth service" }}
{{- end }}
{{- if not $values.teleport.identitySecretName }}
{{- fail "teleport.identitySecretName is not set: give the name of the secret that holds Teleport's identity file" }}
{{- end }}
{{- if not $values.fluentd.url }}
{{- fail "fluentd.url is not set: give the URL that audit events are sent to" }}
{{- end }}
{{- if not $values.fluentd.sessionUrl }}
{{- fail "fluentd.sessionUrl is not set: give the URL that events of session recordings are sent to" }}
{{- end }}
{{- if and (not $certificate.secretName) (or $certificate.caPath $certificate.certPath $certificate.keyPath) }}
{{- fail "fluentd.certificate.secretName is not set: give the name of the secret that holds the certificates towards Fluentd, or set caPath, certPath and keyPath to \"\" if it needs none" }}
{{- end }}
{{- if and $certificate.secretName (not (or $certificate.caPath $certificate.certPath $certificate.keyPath)) }}
{{- fail "fluentd.certificate.secretName is set, but caPath, certPath and keyPath are all \"\": name at least one key of the secret" }}
{{- end }}
{{- if and $values.tls.existingCASecretName (not $values.tls.existingCASecretKeyName) }}
{{- fail "tls.existingCASecretKeyName is not set: give the key of tls.existingCASecretName that holds the certificates" }}
{{- end }}

{{- $duration := dict "form" "^([0-9]+(ms|s|m|h|d))+$" "must" "a duration such as 500ms, 10s or 1h30m" }}
{{- $url := dict "form" "^(https?|forward|forward\\+tls)://[^@\\s]+$" "must" "a URL that begins with https://, http://, forward+tls:// or forward://, without a user in it" }}
{{- include "sluice.form" (merge (dict "name" "eventHandler.timeout" "value" $handler.timeout) $duration) }}
{{- include "sluice.form" (merge (dict "name" "eventHandler.windowSize" "value" $handler.windowSize) $duration) }}
{{- include "sluice.form" (merge (dict "name" "fluentd.url" "value" $values.fluentd.url) $url) }}
{{- include "sluice.form" (merge (dict "name" "fluentd.sessionUrl" "value" $values.fluentd.sessionUrl) $url) }}
{{- include "sluice.form" (dict "name" "teleport.address" "value" $values.teleport.address "form" "^[^\\s/]+:[0-9]+$" "must" "HOST:PORT, such as teleport.example.com:443") }}
{{- include "sluice.form" (dict "name" "persistentVolumeClaim.size" "value" $values.persistentVolumeClaim.size "form" "^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$" "must" "a size such as 20Gi") }}
{{- if $handler.storageClaim }}
{{- include "sluice.form" (dict "name" "eventHandler.storagePath" "value" $handler.storagePath "form" "^/" "must" "an absolute path") }}
{{- end }}
{{- with $handler.startTime }}
{{- include "sluice.form" (dict "name" "eventHandler.startTime" "value" . "form" "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?(Z|[+-]\\d{2}:\\d{2})$" "must" "a time with a zone, such as 2026-11-23T02:58:41Z") }}
{{- end }}

{{- range $context := list "podSecurityContext" "securityContext" }}
{{- if hasKey (index $values $context) "runAsUser" }}
{{- fail (printf "%s.runAsUser cannot be set: the two containers run as users of their own, which keep the secrets apart" $context) }}
{{- end }}
{{- end }}
{{- range $name := list "fsGroup" "runAsGroup" }}
{{- if ne 10000 (int (index $values.podSecurityContext $name)) }}
{{- fail (printf "podSecurityContext.%s must stay 10000: it is the image's group, by which both containers use the volume" $name) }}
{{- end }}
{{- end }}

{{- if dig "enabled" false (default dict $values.tbot) }}
{{- fail "tbot.enabled is not for this chart: install Teleport's chart tbot beside it, and give the name of the secret that it writes as teleport.identitySecretName" }}
{{- end }}
{{- if dig "enabled" false (default dict $values.certManager) }}
{{- fail "certManager.enabled is not for this chart: make the Certificate yourself, and give its secret as fluentd.certificate.secretName with caPath ca.crt, certPath tls.crt and keyPath tls.key" }}
{{- end }}
{{- if dig "create" false (default dict $values.crd) }}
{{- fail "crd.create is not for this chart: make Teleport's role and user with the file role.yaml of sluice-shipper configure" }}
{{- end }}
{{- if $values.extraArgs }}
{{- fail "extraArgs would be for two programs: use fetcher.extraArgs or shipper.extraArgs" }}
{{- end }}
{{- end }}
