(* Chains of students.

   Generation 0 is the teacher th0 + e u.  Every later generation starts again at the common initialisation
   th0 and takes one gradient step of rate alpha on the outputs of the generation before it.  To first order
   in e generation j is displaced by alpha^j K^j u, with K the Gauss-Newton operator of the channel (inputs,
   outputs, loss).

   One channel: K is symmetric and positive semidefinite, so <K^j u, u> >= 0 for every j, and all of these
   numbers are positive as soon as <K u, u> is: every descendant inherits the trait, whatever the number of
   generations (with a threshold for e that depends on it).

   Two channels: <K2 K1 u, u> may be negative although both operators are positive semidefinite of rank one
   and each channel alone transmits.  An explicit example with linear networks ends the file. *)
From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives Losses OneStep OneOutput Preconditioner.
Open Scope R_scope.

(* K^j u *)
Fixpoint power (K : vec -> vec) (j : nat) (u : vec) : vec :=
  match j with O => u | S i => K (power K i u) end.

Section Powers.
Variables (k : nat) (K : vec -> vec).
Hypothesis Ksym : symmetric k K.
Hypothesis Kpsd : forall h, 0 <= dot k (K h) h.

Lemma power_in j a : power K j (K a) = power K (S j) a.
Proof. induction j as [|j IH]; [reflexivity|]. cbn [power]. rewrite IH. reflexivity. Qed.

Lemma power_shift i j a b : dot k (power K (i + j) a) b = dot k (power K i a) (power K j b).
Proof.
  revert i. induction j as [|j IH]; intros i.
  - rewrite Nat.add_0_r. reflexivity.
  - replace (i + S j)%nat with (S i + j)%nat by lia. rewrite IH. cbn [power]. apply Ksym.
Qed.

Lemma power_nonneg j a : 0 <= dot k (power K j a) a.
Proof.
  destruct (Nat.Even_or_Odd j) as [[i Hi]|[i Hi]]; subst j.
  - replace (2 * i)%nat with (i + i)%nat by lia. rewrite power_shift. apply dot_nonneg.
  - replace (2 * i + 1)%nat with (S i + i)%nat by lia. rewrite power_shift. cbn [power]. apply Kpsd.
Qed.

(* the form <K^j (a + t b), a + t b> *)
Lemma power_quadratic j a b t :
  dot k (power K j (fun i => a i + t * b i)) (fun i => a i + t * b i) =
  dot k (power K j a) a + 2 * t * dot k (power K j a) b + t * t * dot k (power K j b) b.
Proof.
  assert (Hmove : forall c d, dot k (power K j c) d = dot k c (power K j d)).
  { intros c d. exact (power_shift 0 j c d). }
  rewrite (dot_plus_r k a (fun i => t * b i)), dot_scal_r, !(Hmove (fun i => a i + t * b i)).
  rewrite !(dot_plus_l k a (fun i => t * b i)), !dot_scal_l, <- !Hmove.
  rewrite (Hmove b a), (dot_sym k b). ring.
Qed.

(* One channel: the powers of a symmetric positive semidefinite K never turn u round; if K sees u, no power of
   K loses it. *)
Theorem one_channel_generations u :
  (forall j, 0 <= dot k (power K j u) u) /\
  (0 < dot k (K u) u -> forall j, 0 < dot k (power K j u) u).
Proof.
  split; [intros j; apply power_nonneg|]. intros Hu.
  assert (Hall : forall j, 0 < dot k (power K j u) u /\ 0 < dot k (power K (S j) u) u).
  { induction j as [|j [IH0 IH1]].
    - split; [|exact Hu]. cbn [power].
      destruct (Rle_lt_or_eq_dec _ _ (dot_nonneg k u)) as [Hlt|Heq]; [exact Hlt|].
      exfalso. assert (Hz := dot_zero k u (eq_sym Heq)).
      assert (E : dot k (K u) u = 0).
      { unfold dot. apply rsum_zero_ext. intros i Hi. rewrite (Hz i Hi). ring. }
      lra.
    - split; [exact IH1|].
      destruct (Rle_lt_or_eq_dec _ _ (power_nonneg (S (S j)) u)) as [Hlt|Heq]; [exact Hlt|]. exfalso.
      set (p := dot k (power K j u) u) in *. set (q := dot k (power K (S j) u) u) in *.
      assert (Q : dot k (power K j u) (K u) = q).
      { unfold q. replace (S j) with (j + 1)%nat by lia. rewrite power_shift. reflexivity. }
      assert (R : dot k (power K j (K u)) (K u) = 0).
      { rewrite Heq, power_in. change (K u) with (power K 1 u) at 1. rewrite <- power_shift.
        replace (S j + 1)%nat with (S (S j)) by lia. reflexivity. }
      assert (P := power_nonneg j (fun i => u i + (- p / q) * K u i)).
      rewrite power_quadratic, Q, R in P. fold p in P.
      replace (p + 2 * (- p / q) * q + _) with (- p) in P by (field; lra). lra. }
  intros j. apply Hall.
Qed.
End Powers.

(* the displacement of generation j from th0: generation 0 is the teacher, every later one starts at th0 and
   takes one step of rate alpha on the outputs of the one before *)
Fixpoint generation (m : nat) (L : vec -> vec -> R) (w : nat -> R) (f : nat -> vec -> vec) (th0 u : vec)
  (alpha : R) (j : nat) (e : R) : vec :=
  match j with
  | O => fun i => e * u i
  | S l => fun i => alpha * gstep (imitation m L w f (fun x => f x (fun i' =>
             th0 i' + generation m L w f th0 u alpha l e i'))) th0 i
  end.

(* generation 1 is the student of the one-step theorem *)
Fact generation_one m L w f th0 u alpha e i :
  th0 i + generation m L w f th0 u alpha 1 e i = moved th0 alpha (student_step m L w f th0 u e) i.
Proof. reflexivity. Qed.

(* the Hessians of the squared error and of softmax cross-entropy are symmetric, as Hsym below asks:
   mse_hess_sym and ce_hess_sym *)
Section Chain.
Variables (k n m : nat) (L : vec -> vec -> R) (a : vec -> vec) (H : vec -> nat -> vec).
Variables (w : nat -> R) (f : nat -> vec -> vec) (th0 : vec).
Hypothesis HL : compatible n L a H.
Hypothesis Hf : forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th => f x th i) th0.
Hypothesis Hw : forall x, (x < m)%nat -> 0 <= w x.
Hypothesis Hsym : forall z i j, (i < n)%nat -> (j < n)%nat -> H z i j = H z j i.

(* one step on the outputs of a model that moves along any path through th0 *)
Lemma path_step_rderiv (p : R -> vec) d j : (j < k)%nat ->
  (forall i, (i < k)%nat -> rderiv (fun e => p e i) (th0 i) (d i)) ->
  rderiv (fun e => gstep (imitation m L w f (fun x => f x (p e))) th0 j) 0 (ggn k n m H w f th0 d j).
Proof.
  intros Hj Hp.
  assert (Hout : forall x i, (x < m)%nat -> (i < n)%nat ->
    rderiv (fun e => f x (p e) i) (f x th0 i) (push k f th0 x d i)).
  { intros x i Hx Hi. apply (rderiv_comp k (fun th => f x th i) th0 (jac f th0 x i) (fun i' e => p e i')).
    - apply grad_has, Hf; assumption.
    - exact Hp. }
  assert (Hlink : forall x i, (x < m)%nat -> (i < n)%nat ->
    rderiv (fun e => a (f x (p e)) i - a (f x th0) i) 0 (dot n (H (f x th0) i) (push k f th0 x d))).
  { intros x i Hx Hi. eapply rderiv_eq.
    - apply (rderiv_minus (fun e => a (f x (p e)) i) (fun _ => a (f x th0) i)).
      + apply (rderiv_comp n (fun z => a z i) (f x th0) (H (f x th0) i) (fun i' e => f x (p e) i')
          (push k f th0 x d)); [apply (comp_link _ _ _ _ HL), Hi|].
        intros i' Hi'. apply Hout; assumption.
      + apply rderiv_const.
    - ring.
    - unfold dot. ring. }
  apply (rderiv_ext (fun e => rsum m (fun x => w x * rsum n (fun i =>
    jac f th0 x i j * (a (f x (p e)) i - a (f x th0) i))))).
  - eapply rderiv_eq.
    + apply (rderiv_sum m
        (fun x e => w x * rsum n (fun i => jac f th0 x i j * (a (f x (p e)) i - a (f x th0) i)))
        (fun x => w x * rsum n (fun i => jac f th0 x i j * 0))
        (fun x => w x * rsum n (fun i => jac f th0 x i j * dot n (H (f x th0) i) (push k f th0 x d)))).
      intros x Hx. apply rderiv_scal.
      apply (rderiv_sum n (fun i e => jac f th0 x i j * (a (f x (p e)) i - a (f x th0) i))
        (fun i => jac f th0 x i j * 0)
        (fun i => jac f th0 x i j * dot n (H (f x th0) i) (push k f th0 x d))).
      intros i Hi. apply (rderiv_scal (jac f th0 x i j)), Hlink; assumption.
    + apply rsum_zero_ext. intros x _. rewrite rsum_scal_r. ring.
    + reflexivity.
  - intros e.
    assert (HG : has_grad k (imitation m L w f (fun x => f x (p e))) th0 (fun j => rsum m (fun x => w x *
      rsum n (fun i => (a (f x th0) i - a (f x (p e)) i) * jac f th0 x i j)))).
    { eapply imitation_has_grad; eassumption. }
    rewrite (gstep_is k _ _ _ j HG Hj), <- rsum_opp. apply rsum_ext. intros x _.
    rewrite Ropp_mult_distr_r, <- rsum_opp. f_equal. apply rsum_ext. intros i _. ring.
Qed.

(* alpha K, the linear map from one generation to the next *)
Definition transfer (alpha : R) (h : vec) : vec := fun i => alpha * ggn k n m H w f th0 h i.

Lemma transfer_symmetric alpha : symmetric k (transfer alpha).
Proof.
  intros b c. unfold transfer. rewrite dot_scal_l, dot_scal_r. f_equal.
  rewrite (dot_sym k b). now apply ggn_sym.
Qed.

Lemma transfer_form alpha h : dot k (transfer alpha h) h = alpha * ggn_form k n m H w f th0 h.
Proof. unfold transfer. rewrite dot_scal_l. f_equal. apply ggn_dot. Qed.

Lemma transfer_psd alpha h : 0 < alpha -> 0 <= dot k (transfer alpha h) h.
Proof.
  intros Ha. rewrite transfer_form. apply Rmult_le_pos; [lra|].
  now apply (ggn_form_nonneg k n m L a H w f th0 HL).
Qed.

(* Generation j is displaced by e (alpha K)^j u + o(e). *)
Theorem generation_rderiv u alpha j i : (i < k)%nat ->
  rderiv (fun e => generation m L w f th0 u alpha j e i) 0 (power (transfer alpha) j u i).
Proof.
  revert i. induction j as [|j IH]; intros i Hi; cbn [generation power].
  - apply (rderiv_ext (fun e => 0 + e * u i)); [apply rderiv_affine|]. intros e. ring.
  - unfold transfer at 1. eapply rderiv_eq.
    + apply (rderiv_scal alpha). apply (path_step_rderiv _ (power (transfer alpha) j u) i Hi).
      intros i' Hi'. eapply rderiv_eq.
      * apply (rderiv_plus (fun _ => th0 i')); [apply rderiv_const|apply IH, Hi'].
      * ring.
      * ring.
    + ring.
    + reflexivity.
Qed.

(* One channel: if K sees the teacher's direction, then every generation is aligned with it and has a lower
   trait loss than the initialisation, for all small e > 0. *)
Theorem every_generation_inherits LT eta alpha : differentiable k LT th0 -> 0 < eta -> 0 < alpha ->
  let u := fun i => eta * gstep LT th0 i in
  let d := generation m L w f th0 u alpha in
  0 < ggn_form k n m H w f th0 u ->
  forall j, exists e0, 0 < e0 /\ forall e, 0 < e < e0 ->
    0 < dot k (d j e) u /\ LT (fun i => th0 i + d j e i) < LT th0.
Proof.
  intros HT Heta Halpha u d Hq j.
  assert (Hj : 0 < dot k (power (transfer alpha) j u) u).
  { apply one_channel_generations.
    - apply transfer_symmetric.
    - intros h. apply transfer_psd, Halpha.
    - rewrite transfer_form. apply Rmult_lt_0_compat; assumption. }
  assert (Hal : rderiv (fun e => dot k (d j e) u) 0 (dot k (power (transfer alpha) j u) u)).
  { apply (rderiv_ext (fun e => rsum k (fun i => u i * d j e i))).
    - eapply rderiv_eq.
      + apply (rderiv_sum k (fun i e => u i * d j e i) (fun i => u i * 0)
          (fun i => u i * power (transfer alpha) j u i)).
        intros i Hi. apply (rderiv_scal (u i)), generation_rderiv, Hi.
      + rewrite rsum_scal_r. ring.
      + rewrite dot_sym. reflexivity.
    - intros e. rewrite dot_sym. reflexivity. }
  assert (Hlt : rderiv (fun e => LT (fun i => th0 i + d j e i)) (LT th0)
    (rsum k (fun i => grad LT th0 i * power (transfer alpha) j u i))).
  { apply (rderiv_comp k LT th0 (grad LT th0) (fun i e => th0 i + d j e i)); [apply grad_has, HT|].
    intros i Hi. eapply rderiv_eq.
    - apply (rderiv_plus (fun _ => th0 i)); [apply rderiv_const|apply generation_rderiv, Hi].
    - ring.
    - ring. }
  assert (Hslope : rsum k (fun i => grad LT th0 i * power (transfer alpha) j u i) < 0).
  { assert (E : dot k (power (transfer alpha) j u) u =
      - eta * rsum k (fun i => grad LT th0 i * power (transfer alpha) j u i)).
    { unfold dot. rewrite <- rsum_scal. apply rsum_ext. intros i _. unfold u at 2, gstep. ring. }
    rewrite E in Hj. apply (Rmult_lt_reg_l eta); [exact Heta|]. lra. }
  destruct (rderiv_pos _ _ Hal Hj) as [e1 [He1 H1]]. destruct (rderiv_neg _ _ _ Hlt Hslope) as [e2 [He2 H2]].
  exists (Rmin e1 e2). split; [apply Rmin_glb_lt; assumption|]. intros e [He0 He]. split.
  - apply H1. split; [exact He0|]. apply (Rlt_le_trans _ _ _ He), Rmin_l.
  - apply H2. split; [exact He0|]. apply (Rlt_le_trans _ _ _ He), Rmin_r.
Qed.
End Chain.

(* Two channels, the sum of both parameters and th0 - 2 th1: a student through either channel lowers the trait
   loss, for every e > 0 and alpha > 0; a student of the first student through the second raises it. *)
Theorem two_channels :
  let F1 := fun th : vec => th 0%nat + th 1%nat in
  let F2 := fun th : vec => th 0%nat - 2 * th 1%nat in
  let LT := fun th : vec => - th 0%nat in
  let th0 := vec2 0 0 in
  let u := gstep LT th0 in
  let v1 := step1 F1 th0 u in
  let v2 := step1 F2 th0 u in
  let v21 := fun e => step1 F2 th0 (v1 e) in
  forall e alpha, 0 < e -> 0 < alpha ->
    (0 < dot 2 (v1 e) u /\ LT (moved th0 alpha (v1 e)) < LT th0) /\
    (0 < dot 2 (v2 e) u /\ LT (moved th0 alpha (v2 e)) < LT th0) /\
    (dot 2 (v21 e alpha) u < 0 /\ LT th0 < LT (moved th0 alpha (v21 e alpha))).
Proof.
  intros F1 F2 LT th0 u v1 v2 v21 e alpha He Halpha.
  assert (HF1 : has_grad 2 F1 th0 (vec2 1 1)) by (unfold F1; grad_is).
  assert (HF2 : has_grad 2 F2 th0 (vec2 1 (-2))) by (unfold F2; grad_is).
  assert (HT : has_grad 2 LT th0 (vec2 (-1) 0)) by (unfold LT; grad_is).
  assert (U0 : u 0%nat = 1) by (unfold u; gval HT).
  assert (U1 : u 1%nat = 0) by (unfold u; gval HT).
  assert (A0 : v1 e 0%nat = e).
  { unfold v1. sval HF1. unfold F1, teacher. rewrite U0, U1. unfold th0. cbn [vec2]. ring. }
  assert (A1 : v1 e 1%nat = e).
  { unfold v1. sval HF1. unfold F1, teacher. rewrite U0, U1. unfold th0. cbn [vec2]. ring. }
  assert (B0 : v2 e 0%nat = e).
  { unfold v2. sval HF2. unfold F2, teacher. rewrite U0, U1. unfold th0. cbn [vec2]. ring. }
  assert (B1 : v2 e 1%nat = - 2 * e).
  { unfold v2. sval HF2. unfold F2, teacher. rewrite U0, U1. unfold th0. cbn [vec2]. ring. }
  assert (C0 : v21 e alpha 0%nat = - (alpha * e)).
  { unfold v21. sval HF2. unfold F2, teacher. rewrite A0, A1. unfold th0. cbn [vec2]. ring. }
  assert (C1 : v21 e alpha 1%nat = 2 * (alpha * e)).
  { unfold v21. sval HF2. unfold F2, teacher. rewrite A0, A1. unfold th0. cbn [vec2]. ring. }
  assert (Hae : 0 < alpha * e) by (apply Rmult_lt_0_compat; assumption).
  assert (Haae : 0 < alpha * (alpha * e)) by (apply Rmult_lt_0_compat; assumption).
  unfold dot, LT, moved. cbn [rsum]. rewrite A0, A1, B0, B1, C0, C1, U0, U1. unfold th0. cbn [vec2].
  repeat split; lra.
Qed.
