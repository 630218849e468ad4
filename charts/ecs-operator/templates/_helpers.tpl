{{/* Names are fixed, not derived from the release: two installations in one cluster would both serve the same objects. */}}
{{- define "ecs-operator.selector" -}}
app.kubernetes.io/name: ecs-operator
app.kubernetes.io/component: {{ . }}
{{- end }}

{{- define "ecs-operator.labels" -}}
app.kubernetes.io/part-of: ecs-operator
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "ecs-operator.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "ecs-operator.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Pod and container settings of the Pod Security level `restricted`. */}}
{{- define "ecs-operator.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "ecs-operator.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* User name of the gateway, which agents serve. */}}
{{- define "ecs-operator.gateway" -}}
system:serviceaccount:{{ .Release.Namespace }}:ecs-operator-gateway
{{- end }}

{{/* User names of the two kinds of agent, as admission sees them. */}}
{{- define "ecs-operator.nodeAgent" -}}
system:serviceaccount:{{ .Values.agent.namespace }}:ecs-operator-agent-node
{{- end }}
{{- define "ecs-operator.podAgent" -}}
system:serviceaccount:{{ .Values.agent.namespace }}:ecs-operator-agent-pod
{{- end }}
