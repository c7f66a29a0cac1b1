// A client of the Java SDK 0.3: Java03 URL TOKEN

import io.a2a.client.*;
import io.a2a.client.config.ClientConfig;
import io.a2a.client.http.A2ACardResolver;
import io.a2a.client.transport.jsonrpc.*;
import io.a2a.client.transport.spi.interceptors.auth.AuthInterceptor;
import io.a2a.spec.*;
import java.util.*;
import java.util.concurrent.*;

public class Java03 {
    static AgentCard card;

    public static void main(String[] args) throws Exception {
        card = new A2ACardResolver(args[0]).getAgentCard();
        System.out.println("card: " + card.name() + ", " + card.security());
        Client streaming = client(args[1], true);
        run("send", client(args[1], false), new TextPart("Hello"), null, null);
        Task asks = run("stream", streaming, new TextPart(" "), null, null);
        Task ended = run("follow-up", streaming, new TextPart("This"), asks.getId(), asks.getContextId());
        run("refused stream", streaming, new TextPart("More"), ended.getId(), ended.getContextId());
        run("without token", client(null, false), new TextPart("Hello"), null, null);
        System.exit(0);
    }

    /** The interceptor sends the token where the card has a scheme that it knows. */
    static Client client(String token, boolean streaming) throws Exception {
        var transport = new JSONRPCTransportConfigBuilder();
        if (token != null) {
            transport.addInterceptor(new AuthInterceptor((scheme, context) -> scheme.equals("bearer") ? token : null));
        }
        return Client.builder(card).clientConfig(new ClientConfig.Builder().setStreaming(streaming).build())
                .withTransport(JSONRPCTransport.class, transport).build();
    }

    /** Sends a part and prints what comes. It returns the task as the SDK has put it together. */
    static Task run(String what, Client client, Part<?> part, String task, String context) throws Exception {
        var last = new CompletableFuture<Task>();
        Message message = new Message.Builder().role(Message.Role.USER).parts(part).taskId(task).contextId(context).build();
        try {
            client.sendMessage(message, List.of((event, card) -> {
                Task now = null;
                if (event instanceof TaskEvent e) {
                    now = e.getTask();
                } else if (event instanceof TaskUpdateEvent e) {
                    now = e.getTask();
                }
                print(what, describe(now));
                if (now.getStatus().state().isFinal() || now.getStatus().state() == TaskState.INPUT_REQUIRED) {
                    last.complete(now);
                }
            }), error -> {
                // When it has had the last event it breaks off the connection, and tells of that as an error.
                if (error != null && !last.isDone()) {
                    print(what, "error: " + error.getMessage());
                }
                last.complete(null);
            });
        } catch (A2AClientException e) {
            print(what, "error: " + e.getMessage());
            return null;
        }
        return last.get(1, TimeUnit.MINUTES);
    }

    static String describe(Task task) {
        String text = task.getStatus().state().asString();
        if (task.getStatus().message() != null) {
            text += ", " + texts(task.getStatus().message().getParts());
        }
        for (Artifact artifact : task.getArtifacts() == null ? List.<Artifact>of() : task.getArtifacts()) {
            text += ", artifact " + texts(artifact.parts());
        }
        return text;
    }

    static List<String> texts(List<Part<?>> parts) {
        return parts.stream().map(p -> p instanceof TextPart t ? t.getText() : p.toString()).toList();
    }

    static synchronized void print(String what, String text) {
        System.out.println(what + ": " + text);
    }
}
