{{- /* One of the two containers: a dict with root (the chart's scope), name, uid, port and mounts. */}}
{{- define "sluice.container" -}}
{{- $values := .root.Values }}
{{- $own := index $values .name }}
- name: {{ .name }}
  image: {{ include "sluice.image" .root }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  command: [sluice-{{ .name }}, start]
  {{- with $own.extraArgs }}
  args:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with concat $values.extraEnv $own.extraEnv }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsUser: {{ .uid }}
    {{- toYaml $values.securityContext | nindent 4 }}
  {{- with $own.resources | default $values.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if $values.metrics.enabled }}
  ports:
    - name: {{ .name }}-metrics
      containerPort: {{ .port }}
  {{- end }}
  {{- range $probe, $page := dict "startupProbe" "healthz" "livenessProbe" "healthz" "readinessProbe" "readyz" }}
  {{- with index $values $probe }}
  {{ $probe }}:
    exec:
      command: [curl, --silent, --fail, --max-time, "20", "http://127.0.0.1:{{ $.port }}/{{ $page }}"]
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  volumeMounts:
    - name: config
      mountPath: /etc/sluice
      readOnly: true
    # For queuectl.
    - name: {{ .name }}-tmp
      mountPath: /tmp
    {{- .mounts | trim | nindent 4 }}
    {{- with concat $values.volumeMounts $own.volumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- /* Makes folders of the volume with their owner and mode: a dict with root, name, uid, mode, folders. */}}
{{- define "sluice.folders" -}}
- name: {{ .name }}
  image: {{ include "sluice.image" .root }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command:
    - install
    - --directory
    - --mode={{ .mode }}
    {{- range .folders }}
    - {{ include "sluice.root" $.root }}/{{ . }}
    {{- end }}
  securityContext:
    runAsUser: {{ .uid }}
    {{- toYaml .root.Values.securityContext | nindent 4 }}
  {{- with .root.Values.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    - name: {{ .root.Values.persistentVolumeClaim.volumeName }}
      mountPath: {{ include "sluice.root" .root }}
{{- end }}
