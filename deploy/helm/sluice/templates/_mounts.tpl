{{- /* What each daemon sees of the volume and of the secrets: it writes its own, reads the other's
       control page, and does not see the other's secret at all. */}}
{{- define "sluice.fetcherMounts" -}}
- name: teleport
  mountPath: /run/secrets/teleport
  readOnly: true
{{- if .Values.tls.existingCASecretName }}
- name: teleport-ca
  mountPath: /run/secrets/teleport-ca
  readOnly: true
{{- end }}
{{- if .Values.eventHandler.storageClaim }}
- name: old-storage
  mountPath: {{ .Values.eventHandler.storagePath | quote }}
  readOnly: true
{{- end }}
- name: {{ .Values.persistentVolumeClaim.volumeName }}
  mountPath: {{ include "sluice.root" . }}/queue
  subPath: queue
- name: {{ .Values.persistentVolumeClaim.volumeName }}
  mountPath: {{ include "sluice.root" . }}/shipper
  subPath: shipper
  readOnly: true
{{- end }}

{{- define "sluice.shipperMounts" -}}
{{- if .Values.fluentd.certificate.secretName }}
- name: fluentd
  mountPath: /run/secrets/fluentd
  readOnly: true
{{- end }}
- name: {{ .Values.persistentVolumeClaim.volumeName }}
  mountPath: {{ include "sluice.root" . }}/queue
  subPath: queue
  readOnly: true
- name: {{ .Values.persistentVolumeClaim.volumeName }}
  mountPath: {{ include "sluice.root" . }}/delivery
  subPath: delivery
- name: {{ .Values.persistentVolumeClaim.volumeName }}
  mountPath: {{ include "sluice.root" . }}/shipper
  subPath: shipper
{{- end }}
