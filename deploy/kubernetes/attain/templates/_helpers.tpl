{{/* Names, labels and the parts that the three services and the two jobs share. `$` is the root, `.service` the service. */}}

{{- define "attain.name" -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{- end }}

{{- define "attain.image" -}}
{{- if .Values.image.digest -}}{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{- end }}
{{- end }}

{{- define "attain.labels" -}}
{{ include "attain.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: attain
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{- define "attain.selector" -}}
app.kubernetes.io/name: attain
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
{{- end }}

{{- define "attain.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "attain.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "attain.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* Everything that a container mounts: its service's Secret, who signs tokens, and what Kafka's TLS needs. */}}
{{- define "attain.volumes" -}}
- name: tmp
  emptyDir: {medium: Memory, sizeLimit: 64Mi}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
{{- range .secrets }}
      - secret: {name: {{ . }}}
{{- end }}
{{- if .token }}
{{- if .root.Values.auth.jwksUrl }}
      - secret: {name: {{ .root.Values.auth.serviceTokenSecret }}}
{{- with .root.Values.auth.pageKeySecret }}
      - secret: {name: {{ . }}}
{{- end }}
{{- else }}
      - secret: {name: {{ .root.Values.auth.keySecret }}}
{{- end }}
{{- end }}
{{- if .root.Values.kafka.tlsSecret }}
- name: kafka-tls
  secret: {secretName: {{ .root.Values.kafka.tlsSecret }}, defaultMode: 0440}
{{- end }}
{{- end }}

{{- define "attain.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: secrets, mountPath: /run/attain, readOnly: true}
{{- if .Values.kafka.tlsSecret }}
- {name: kafka-tls, mountPath: /run/kafka-tls, readOnly: true}
{{- end }}
{{- end }}

{{/* The settings of every service, as the data of a ConfigMap; secrets come as files. */}}
{{- define "attain.settings" -}}
ATTAIN_SECRETS_DIR: /run/attain
ATTAIN_SHARDS: {{ .Values.shards | quote }}
ATTAIN_KAFKA: {{ required "kafka.servers: give the bootstrap servers of Kafka" .Values.kafka.servers | quote }}
ATTAIN_REPLICATION_FACTOR: {{ .Values.kafka.replicationFactor | quote }}
ATTAIN_TOPIC_SUFFIX: {{ .Values.kafka.topicSuffix | quote }}
ATTAIN_KAFKA_SECURITY: {{ .Values.kafka.security | quote }}
ATTAIN_KAFKA_MECHANISM: {{ .Values.kafka.mechanism | quote }}
{{- if .Values.kafka.tlsSecret }}
ATTAIN_KAFKA_CA_FILE: /run/kafka-tls/ca.crt
{{- if .Values.kafka.mutualTls }}
ATTAIN_KAFKA_CERTIFICATE_FILE: /run/kafka-tls/tls.crt
ATTAIN_KAFKA_KEY_FILE: /run/kafka-tls/tls.key
{{- end }}
{{- end }}
{{- range $service := list "evidence" "progression" "reporting" }}
ATTAIN_{{ upper $service }}_URL: http://{{ include "attain.name" $ }}-{{ $service }}:8100
{{- end }}
{{- if .Values.auth.jwksUrl }}
ATTAIN_JWKS_URL: {{ .Values.auth.jwksUrl | quote }}
ATTAIN_SERVICE_TOKEN_FILE: /run/attain/token
{{- if .Values.auth.pageKeySecret }}
ATTAIN_PAGE_KEY_FILE: /run/attain/page_key
{{- end }}
{{- else }}
ATTAIN_TOKEN_KEY_FILE: /run/attain/token_key
{{- end }}
{{- if and .Values.ingress.enabled (not (hasKey .Values.settings "public_url")) }}
ATTAIN_PUBLIC_URL: {{ printf "https://%s" .Values.ingress.host | quote }}
{{- end }}
{{- range $name, $value := .Values.settings }}
ATTAIN_{{ upper $name }}: {{ $value | quote }}
{{- end }}
{{- end }}
